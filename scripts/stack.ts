/**
 * Turns the places in a stack of dist/index.js into files and lines: `node scripts/stack.ts < stack.txt`, in a checkout of
 * the release that it came from. dist/ carries no source map: it builds the same, byte for byte, so one can be had later.
 */
import { readFile } from 'node:fs/promises';
import { SourceMap } from 'node:module';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { bundle, compile } from './build.ts';

const entry = process.argv[2] === 'post' ? 'post' : 'index';
await compile();
const files = await bundle(entry, { sourceMap: true, sourceMapRegister: false });
const committed = await readFile(join('dist', entry === 'post' ? 'post' : '', 'index.js'), 'utf8');
if (!String(files.get('index.js')).startsWith(committed.trimEnd())) {
  throw new Error('dist/ is not what src/ builds: check out the release that the stack came from.');
}
const map = new SourceMap(JSON.parse(String(files.get('index.js.map'))));

/** `…/dist/index.js:1:23456` → `build/run.js:40:12` */
function place(found: string, line: string, column: string): string {
  const origin = map.findEntry(Number(line) - 1, Number(column) - 1);
  if (!('originalSource' in origin)) return found;
  return `${origin.originalSource.replace(/^\.\.\//, '')}:${origin.originalLine + 1}:${origin.originalColumn + 1}`;
}
process.stdout.write((await text(process.stdin)).replace(/(?:file:\/\/)?[^\s()]*\bindex\.js:(\d+):(\d+)/g, place));
