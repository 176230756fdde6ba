/**
 * The rules in docs/sudoers and docs/sudoers-open, made from the list of privileged calls: `node scripts/sudoers.ts` writes
 * them below the words that each file begins with; a test fails when they are stale.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type SudoersForm, sudoersFor } from '../src/proxmox/sudoers.ts';

const FILES: Record<SudoersForm, string> = { fence: 'docs/sudoers', open: 'docs/sudoers-open' };

/** A file of rules, as it is and as it should be: what stands before its first rule is written by hand. */
export async function sudoersFile(form: SudoersForm): Promise<{ path: string; current: string; wanted: string }> {
  const path = join(import.meta.dirname, '..', FILES[form]);
  const current = await readFile(path, 'utf8');
  const [words = ''] = /^(?:#.*\n)*/.exec(current) ?? [];
  return { path, current, wanted: `${words}\n${sudoersFor('runner', form)}\n` };
}

if (import.meta.main) {
  for (const form of ['fence', 'open'] as const) {
    const { path, wanted } = await sudoersFile(form);
    await writeFile(path, wanted);
  }
}
