/**
 * The tables of causes in docs/troubleshooting.md, made from the tables that the action itself diagnoses with:
 * `node scripts/troubleshooting-tables.ts` writes them between their markers; a test fails when they are stale.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { APT_CAUSES } from '../src/diagnosis/apt.ts';
import type { Cause } from '../src/diagnosis/cause.ts';
import { GPU_CAUSES } from '../src/diagnosis/gpu.ts';
import { HOST_FINDINGS } from '../src/diagnosis/host.ts';
import { INSTALLER_CAUSES } from '../src/diagnosis/installer.ts';
import { table, withTables } from './markdown-tables.ts';

const DOCUMENT = join(import.meta.dirname, '..', 'docs', 'troubleshooting.md');

type Texts = Omit<Cause<never>, 'shows'>;

const causesTable = (causes: readonly Texts[]) =>
  table(
    ['What one sees', 'Cause', 'What to do', 'Code', 'Known from'],
    causes.map(({ symptom, cause, remedy, code, source }) => [symptom, cause, remedy, `\`${code}\``, source]),
  );

/** docs/troubleshooting.md with its tables as src/diagnosis has them. */
export async function troubleshootingWithTables(): Promise<{ current: string; wanted: string }> {
  const current = await readFile(DOCUMENT, 'utf8');
  const wanted = withTables(current, {
    'gpu causes': causesTable(GPU_CAUSES),
    'host findings': causesTable(HOST_FINDINGS),
    'installer causes': causesTable(INSTALLER_CAUSES),
    'apt causes': causesTable(APT_CAUSES),
  });
  return { current, wanted };
}

if (import.meta.main) await writeFile(DOCUMENT, (await troubleshootingWithTables()).wanted);
