/**
 * The tables of inputs and outputs in README.md, made from action.yml: `node scripts/interface-tables.ts` writes them
 * between their markers; a test fails when they are stale.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { table, withTables } from './markdown-tables.ts';

const ROOT = join(import.meta.dirname, '..');

interface Manifest {
  inputs: Record<string, { description: string; default?: string }>;
  outputs: Record<string, { description: string }>;
}

/** README.md with its tables as action.yml has them. */
export async function readmeWithTables(): Promise<{ current: string; wanted: string }> {
  const manifest = parse(await readFile(join(ROOT, 'action.yml'), 'utf8')) as Manifest;
  const current = await readFile(join(ROOT, 'README.md'), 'utf8');
  const wanted = withTables(current, {
    inputs: table(
      ['Input', 'Default', 'Meaning'],
      Object.entries(manifest.inputs).map(([name, input]) => [
        `\`${name}\``,
        input.default === undefined ? '' : `\`${input.default}\``,
        input.description,
      ]),
    ),
    outputs: table(
      ['Output', 'Meaning'],
      Object.entries(manifest.outputs).map(([name, output]) => [`\`${name}\``, output.description]),
    ),
  });
  return { current, wanted };
}

if (import.meta.main) await writeFile(join(ROOT, 'README.md'), (await readmeWithTables()).wanted);
