/**
 * The rules for sudo, made from the list of calls in src/system/privileged-calls.ts: `node scripts/sudoers.ts` writes docs/sudoers
 * and docs/sudoers-open; a test fails when they are stale. With `--user` it prints the rules for a host instead:
 *
 *     node scripts/sudoers.ts --user runner [--containers 901,902] [--open]
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Sudoers, sudoersFor } from '../src/system/sudoers.ts';

const DOCS = join(import.meta.dirname, '..', 'docs');
const FILES = { sudoers: 'fence', 'sudoers-open': 'open' } as const satisfies Record<string, Sudoers['kind']>;

/** The documents as they are, and as they should be: what stands above the rules is written by hand. */
export async function sudoersDocuments(): Promise<{ path: string; current: string; wanted: string }[]> {
  return Promise.all(
    Object.entries(FILES).map(async ([name, kind]) => {
      const path = join(DOCS, name);
      const current = await readFile(path, 'utf8');
      const words = current.replace(/^(?!#).+$/gm, '').trimEnd();
      return { path, current, wanted: `${words}\n\n${sudoersFor({ user: 'runner', kind })}\n` };
    }),
  );
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { user: { type: 'string' }, containers: { type: 'string', default: '' }, open: { type: 'boolean' } },
  });
  if (values.user === undefined) {
    for (const { path, wanted } of await sudoersDocuments()) await writeFile(path, wanted);
  } else {
    if (!/^[a-z_#][a-z0-9_-]*$/i.test(values.user)) throw new Error(`"${values.user}" is not the name of a user.`);
    if (!/^(?:\d{3,9}(?:,\d{3,9})*)?$/.test(values.containers)) throw new Error('--containers takes ids: 901,902');
    const ctids = values.containers.split(',').filter(Boolean).map(Number);
    console.log(sudoersFor({ user: values.user, kind: values.open ? 'open' : 'fence', ctids }));
  }
}
