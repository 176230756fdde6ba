import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

test('dist/ is what src/ builds', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'proxmox-lxc-nvidia-dist-'));
  try {
    await run(process.execPath, [join(ROOT, 'scripts', 'build.ts'), directory], { cwd: ROOT });
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

test('a place in a stack of the bundle can be found in src/', async () => {
  const lines = (await readFile(join(ROOT, 'dist', 'index.js'), 'utf8')).split('\n');
  const line = lines.findIndex((text) => text.includes('function cacheKey('));
  const column = lines[line]?.indexOf('function cacheKey(') ?? -1;
  const finding = run(process.execPath, [join(ROOT, 'scripts', 'stack.ts')], { cwd: ROOT });
  finding.child.stdin?.end(`    at cacheKey (file:///x/dist/index.js:${line + 1}:${column + 1})\n`);
  expect((await finding).stdout).toMatch(/^ {4}at cacheKey \(build\/runfile\/cache\.js:\d+:\d+\)\n$/);
});

test('the code in dist/ stays small', async () => {
  const sizes = await Promise.all(
    ['start.js', 'index.js', 'post/index.js'].map(async (name) => (await stat(join(ROOT, 'dist', name))).size),
  );
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(750_000);
});

test('what most runs never need is not loaded before the first line of the log', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'proxmox-lxc-nvidia-start-'));
  try {
    // Prints what Node has loaded when the action writes its first line, and ends it there.
    const observer = join(directory, 'observer.mjs');
    await writeFile(
      observer,
      `const write = process.stdout.write.bind(process.stdout);
       process.stdout.write = (text) => {
         write(JSON.stringify({ text, loaded: process.moduleLoadList }));
         process.exit();
       };`,
    );
    const { stdout } = await run(process.execPath, ['--import', observer, join(ROOT, 'dist', 'start.js')], {
      env: { INPUT_CONTAINERS: '901', 'INPUT_CUDA-VERSION': '12.8', RUNNER_TOOL_CACHE: directory },
    });
    const { text, loaded } = JSON.parse(stdout) as { text: string; loaded: string[] };
    expect(text).toContain('container 901 with driver as on the host, CUDA toolkit 12.8');
    const heavy = ['http', 'https', 'tls', 'zlib'].map((name) => `NativeModule ${name}`);
    expect(loaded.filter((name) => heavy.includes(name))).toEqual([]);
    // Compiled code is run as it is found: never from where others may write.
    expect(await readdir(directory)).toEqual(['observer.mjs']);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('types, lint and unused code are in order', async () => {
  await run('npm', ['run', 'check'], { cwd: ROOT });
});
