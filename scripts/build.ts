/** Bundles src/ into a directory, dist/ unless another is given: `node scripts/build.ts [DIRECTORY]`. */
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

interface Bundle {
  code: string;
  assets: Record<string, { source: string | Buffer }>;
}
interface NccOptions {
  license?: string;
  sourceMap?: boolean;
  sourceMapRegister?: boolean;
}
type Ncc = (entry: string, options: NccOptions & typeof OPTIONS) => Promise<Bundle>;

const ROOT = join(import.meta.dirname, '..');
const ncc = createRequire(import.meta.url)('@vercel/ncc') as Ncc;

/**
 * What the toolkit's packages import for functions that this action never calls: an empty module stands in for it.
 * undici (0.9 MB) is there for fetch() through a proxy. @actions/http-client is imported by @actions/core (OpenID) and
 * @actions/tool-cache (downloads) as soon as they are loaded, and brings in all of Node's http and tls; src/system/http.ts
 * imports it, when there is something to ask of the web, under the name `#http-client`.
 */
const NEVER_CALLED = ['undici', '@actions/http-client'];
const EMPTY_MODULE = 'data:text/javascript,';

/** Minifying keeps the names of functions and classes, for stack traces; scripts/stack.ts finds their lines. */
const OPTIONS = {
  minify: true,
  cache: false,
  quiet: true,
  externals: Object.fromEntries(NEVER_CALLED.map((name) => [name, EMPTY_MODULE])),
};

/** Compiles src/ into build/. ncc bundles JavaScript; TypeScript 7 has no API it could use. */
export async function compile(): Promise<void> {
  // ncc numbers modules by their paths as seen from the current directory.
  process.chdir(ROOT);
  await rm('build', { recursive: true, force: true });
  await promisify(execFile)(join('node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json']);
}

/** The files of a bundle by name, after {@link compile}. */
export async function bundle(
  entry: 'start' | 'index' | 'post',
  options: NccOptions = {},
): Promise<Map<string, string | Buffer>> {
  const { code, assets } = await ncc(join(ROOT, 'build', `${entry}.js`), { ...OPTIONS, ...options });
  const name = entry === 'start' ? 'start.js' : 'index.js';
  return new Map([[name, code], ...Object.entries(assets).map(([name, { source }]) => [name, source] as const)]);
}

async function write(files: Map<string, string | Buffer>, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [name, content] of files) await writeFile(join(directory, name), content);
}

if (import.meta.main) {
  const directory = resolve(process.argv[2] ?? join(ROOT, 'dist'));
  await compile();
  await rm(directory, { recursive: true, force: true });
  await write(await bundle('index', { license: 'licenses.txt' }), directory);
  await write(await bundle('post'), join(directory, 'post'));
  // It loads index.js by that name, so that V8's cache is on before there is much to compile.
  await write(await bundle('start'), directory);
}
