import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { unpackArchive } from '../../src/runfile/archive.ts';
import { runCommand } from '../../src/system/command.ts';
import { runfileOf } from '../unit/helpers/runfile.ts';

/*
 * The lab's runfiles are gzip inside, whatever they call it. The programs that unpack the real ones (zstd since 530, xz before)
 * are among the lab's packages.
 */
test.each(['zstd', 'xz'] as const)('a runfile whose archive is compressed by %s', async (compression) => {
  await using temporary = await mkdtempDisposable(join(tmpdir(), 'proxmox-lxc-nvidia-archive-'));
  const [whole, cut, archive] = ['x.run', 'cut.run', 'archive.tar'].map((name) => join(temporary.path, name)) as [
    string,
    string,
    string,
  ];
  const files = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 31 + (index >> 7)) % 256));
  const runfile = runfileOf(files, { compression });

  await writeFile(whole, runfile);
  await unpackArchive(runCommand, whole, archive, 20);
  expect((await readFile(archive)).equals(files)).toBe(true);

  await writeFile(cut, runfile.subarray(0, runfile.length - 20));
  await expect(unpackArchive(runCommand, cut, archive, 20)).rejects.toMatchObject({
    code: 'RUNFILE_UNUSABLE',
    seen: expect.stringContaining(`/usr/bin/${compression} could not unpack`),
  });
});
