import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readmeWithTables } from '../../scripts/interface-tables.ts';
import { troubleshootingWithTables } from '../../scripts/troubleshooting-tables.ts';
import { INPUTS } from '../../src/desired/inputs.ts';
import { OUTPUTS } from '../../src/report/outputs.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const text = (path: string) => readFile(join(ROOT, path), 'utf8');

describe('action.yml', () => {
  test('declares exactly the inputs and outputs that the code reads and writes', async () => {
    const manifest = parse(await text('action.yml'));
    expect(Object.keys(manifest.inputs).sort()).toEqual([...INPUTS].sort());
    expect(Object.keys(manifest.outputs).sort()).toEqual([...OUTPUTS].sort());
  });
});

describe('README.md', () => {
  test('has its tables as action.yml has them (node scripts/interface-tables.ts)', async () => {
    const { current, wanted } = await readmeWithTables();
    expect(current).toBe(wanted);
  });

  test('uses only inputs and outputs that exist in its examples', async () => {
    const examples = [...(await text('README.md')).matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml]) =>
      parse(yaml ?? ''),
    );
    const steps = examples.flatMap((example) => (Array.isArray(example) ? example : example.jobs.nvidia.steps));
    const used = steps.filter(({ uses }) => uses !== undefined).map((step) => Object.keys(step.with));
    expect(used.length).toBeGreaterThan(4);
    for (const names of used) expect(INPUTS).toEqual(expect.arrayContaining(names));
    const outputs = [...(await text('README.md')).matchAll(/outputs\.([a-z-]+)/g)].map(([, name]) => name);
    expect(OUTPUTS).toEqual(expect.arrayContaining(outputs));
  });
});

test('docs/troubleshooting.md has its tables as src/diagnosis has them (node scripts/troubleshooting-tables.ts)', async () => {
  const { current, wanted } = await troubleshootingWithTables();
  expect(current).toBe(wanted);
});

test('docs/troubleshooting.md explains every code, and no other', async () => {
  const declared = /export type FailureCode =([^;]*);/.exec(await text('src/errors.ts'))?.[1] ?? '';
  const codes = [...declared.matchAll(/'([A-Z_0-9]+)'/g)].map(([, code]) => code);
  const [, list = ''] = (await text('docs/troubleshooting.md')).split('\n## Failure codes\n');
  const explained = [...list.matchAll(/^\| `([A-Z_0-9]+)`/gm)].map(([, code]) => code);
  expect(explained.sort()).toEqual(codes.sort());
});

test('every action in a workflow is pinned by its full SHA', async () => {
  const uses = [...(await text('.github/workflows/ci.yml')).matchAll(/uses: (\S+)/g)].map(([, name]) => name ?? '');
  expect(uses.length).toBeGreaterThan(0);
  for (const name of uses) expect(name).toMatch(/@[0-9a-f]{40}$/);
});

test('docs/facts.md has every paragraph that comments name', async () => {
  const facts = [...(await text('docs/facts.md')).matchAll(/^\*\*([A-Z]\d*) /gm)].map(([, label]) => label);
  const folder = join(ROOT, 'src');
  const sources = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.ts'));
  const named = (await Promise.all(sources.map((name) => readFile(join(folder, name), 'utf8')))).flatMap((source) =>
    [...source.matchAll(/docs\/facts\.md, ([A-Z]\d*)(?: and ([A-Z]\d*))?/g)].flatMap(([, ...labels]) =>
      labels.filter(Boolean),
    ),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(facts).toEqual(expect.arrayContaining(named));
});
