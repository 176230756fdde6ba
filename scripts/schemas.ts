/** Writes the JSON Schemas of facts, plans and reports: `node scripts/schemas.ts`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { FactsFile } from '../src/facts/file.ts';
import { Plan } from '../src/plan/file.ts';
import { Report } from '../src/report/schema.ts';
import { FORMAT_VERSION } from '../src/version/format.ts';

const DIRECTORY = join(import.meta.dirname, '..', 'schemas');

/** Each schema's text by its file's name. */
export function schemas(): Map<string, string> {
  return new Map(
    Object.entries({ facts: FactsFile, plan: Plan, report: Report }).map(([name, schema]) => [
      `${name}.schema.json`,
      `${JSON.stringify({ title: `${name}.json, format ${FORMAT_VERSION}`, ...z.toJSONSchema(schema, { io: 'input' }) }, null, 2)}\n`,
    ]),
  );
}

if (import.meta.main) {
  await mkdir(DIRECTORY, { recursive: true });
  for (const [name, text] of schemas()) await writeFile(join(DIRECTORY, name), text);
}
