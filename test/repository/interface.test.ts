import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readmeWithTables } from '../../scripts/interface-tables.ts';
import { schemas } from '../../scripts/schemas.ts';
import { troubleshootingWithTables } from '../../scripts/troubleshooting-tables.ts';
import { INPUTS } from '../../src/desired/inputs.ts';
import { OUTPUTS } from '../../src/report/outputs.ts';
import { ACTION_VERSION } from '../../src/version/action.ts';

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
});

test('schemas/ is what the code says (node scripts/schemas.ts)', async () => {
  const made = schemas();
  expect((await readdir(join(ROOT, 'schemas'))).sort()).toEqual([...made.keys()].sort());
  for (const [name, wanted] of made) expect(await text(join('schemas', name))).toBe(wanted);
});

test('the version in the code is that of package.json', async () => {
  expect(JSON.parse(await text('package.json')).version).toBe(ACTION_VERSION);
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

describe('src/', () => {
  /** The stages in CONTRIBUTING.md's tour, in its order. */
  const stages = async () => {
    const [, tour = ''] = (await text('CONTRIBUTING.md')).split('## A tour of src/');
    const folders = [...tour.matchAll(/^\| `([a-z]+)\/`/gm)].flatMap(([, folder]) => folder ?? []);
    return folders.slice(0, folders.indexOf('report') + 1);
  };

  test('has stages that take from those before them, and what serves them knows types of theirs alone', async () => {
    const order = await stages();
    expect(order).toHaveLength(7);
    const against: string[] = [];
    for (const path of await readdir(join(ROOT, 'src'), { recursive: true })) {
      const [folder = '', name] = path.split('/');
      if (name === undefined || !name.endsWith('.ts')) continue;
      const imports = (await text(join('src', path))).matchAll(
        /^import (type )?([^;]*?) from '\.\.\/([a-z]+)\/[^']*';/gm,
      );
      for (const [statement, type, names = '', from = ''] of imports) {
        const onlyTypes = type !== undefined || !/(?:^|[{,])\s*(?!type )[\w*]/.test(names);
        const allowed = order.includes(folder) ? order.indexOf(from) <= order.indexOf(folder) : onlyTypes;
        if (order.includes(from) && !allowed) against.push(`${path}: ${statement}`);
      }
    }
    expect(against).toEqual([]);
  });
});
