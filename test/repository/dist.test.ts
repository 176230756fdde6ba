import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

test('dist/ is what src/ builds', async () => {
  const copy = await mkdtemp(join(tmpdir(), 'proxmox-lxc-nvidia-build-'));
  try {
    for (const name of ['src', 'package.json', 'tsconfig.json', 'tsconfig.build.json']) {
      await cp(join(ROOT, name), join(copy, name), { recursive: true });
    }
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    await run('npm', ['run', 'build'], { cwd: copy });
    const names = await readdir(join(copy, 'dist'));
    expect((await readdir(join(ROOT, 'dist'))).sort()).toEqual(names.sort());
    for (const name of names) {
      const [committed, built] = await Promise.all(
        [ROOT, copy].map((root) => readFile(join(root, 'dist', name), 'utf8')),
      );
      expect(committed === built, `dist/${name} is stale: npm run build`).toBe(true);
    }
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
});

test('types, lint and unused code are in order', async () => {
  await run('npm', ['run', 'check'], { cwd: ROOT });
});
