/**
 * The tables of inputs and outputs in README.md, made from action.yml: `node scripts/interface-tables.ts` writes them
 * between their markers; a test fails when they are stale.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '..');

interface Manifest {
  inputs: Record<string, { description: string; default?: string }>;
  outputs: Record<string, { description: string }>;
}

const cell = (text: string) =>
  text
    .replaceAll('|', '\\|')
    .replace(/\s*\n\s*/g, ' ')
    .trim();

const table = (head: string[], rows: string[][]) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');

/** README.md with its tables as action.yml has them. */
export async function readmeWithTables(): Promise<{ current: string; wanted: string }> {
  const manifest = parse(await readFile(join(ROOT, 'action.yml'), 'utf8')) as Manifest;
  const tables = {
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
  };
  const current = await readFile(join(ROOT, 'README.md'), 'utf8');
  let wanted = current;
  for (const [name, text] of Object.entries(tables)) {
    const between = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`);
    if (!between.test(wanted)) throw new Error(`README.md has no markers <!-- ${name} --> and <!-- /${name} -->.`);
    wanted = wanted.replace(between, (_, before: string, after: string) => `${before}${text}\n${after}`);
  }
  return { current, wanted };
}

if (import.meta.main) await writeFile(join(ROOT, 'README.md'), (await readmeWithTables()).wanted);
