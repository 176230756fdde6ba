import { execFileSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openToRead } from '../../../src/system/open-file.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it('opens a file, and says of what is not there that it is not', async () => {
  const path = join(temporaryDirectory(), 'file');
  expect(await openToRead(path)).toBeNull();
  writeFileSync(path, 'text');
  await using file = await openToRead(path);
  expect(await file?.readFile('utf8')).toBe('text');
});

it('follows no link at the end, also one that leads nowhere', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'file'), 'text');
  for (const target of ['file', 'nothing']) {
    symlinkSync(target, join(directory, `to-${target}`));
    await expect(openToRead(join(directory, `to-${target}`))).rejects.toMatchObject({ code: 'ELOOP' });
  }
});

it('waits for nobody who would write into a pipe', async () => {
  const path = join(temporaryDirectory(), 'pipe');
  execFileSync('mkfifo', [path]);
  await using file = await openToRead(path);
  expect((await file?.stat())?.isFIFO()).toBe(true);
});
