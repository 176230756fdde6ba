import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { build } from '../../scripts/build.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

test('dist/ is what src/ builds', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'proxmox-lxc-nvidia-dist-'));
  try {
    await build(directory);
    const files = async (path: string) =>
      (await readdir(path, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(path.length))
        .sort();
    expect(await files(join(ROOT, 'dist'))).toEqual(await files(directory));
    for (const name of await files(directory)) {
      const [committed, built] = await Promise.all(
        [join(ROOT, 'dist'), directory].map((path) => readFile(join(path, name))),
      );
      expect(committed?.equals(built ?? Buffer.alloc(0)), `dist${name} is stale: npm run build`).toBe(true);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('types, lint and unused code are in order', async () => {
  await run('npm', ['run', 'check'], { cwd: ROOT });
});
