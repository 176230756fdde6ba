import { writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { Checksums } from '../../../src/runfile/checksums.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

it('reads a file once, as long as it does not change', async () => {
  const path = join(temporaryDirectory(), 'x');
  writeFileSync(path, 'abc');
  const checksums = new Checksums();
  const of = async (watch: (file: FileHandle) => void = () => {}) => {
    await using file = await open(path, 'r');
    watch(file);
    return await checksums.of(file);
  };
  expect(await of()).toBe(ABC);
  const reads = vi.fn();
  expect(await of((file) => vi.spyOn(file, 'read').mockImplementation(reads))).toBe(ABC);
  expect(reads).not.toHaveBeenCalled();
  writeFileSync(path, 'abcd');
  expect(await of()).toBe('88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589');
});
