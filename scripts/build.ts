/** Bundles src/ into a directory, dist/ unless another is given: `node scripts/build.ts [DIRECTORY]`. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
const run = promisify(execFile);

/** The bundles: the action itself, and its post step. ncc bundles JavaScript; TypeScript 7 has no API it could use. */
export async function build(directory: string): Promise<void> {
  const tool = (name: string, ...args: string[]) =>
    run(join(ROOT, 'node_modules', '.bin', name), args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
  await rm(join(ROOT, 'build'), { recursive: true, force: true });
  await rm(directory, { recursive: true, force: true });
  await tool('tsc', '-p', 'tsconfig.build.json');
  await tool('ncc', 'build', 'build/index.js', '-o', directory, '--license', 'licenses.txt');
  await tool('ncc', 'build', 'build/post.js', '-o', join(directory, 'post'));
}

if (import.meta.main) await build(process.argv[2] ?? join(ROOT, 'dist'));
