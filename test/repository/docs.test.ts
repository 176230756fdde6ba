import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { INPUTS } from '../../src/desired/inputs.ts';
import { CONTAINER_WORDS, OUTPUTS } from '../../src/report/outputs.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);
const read = (path: string) => readFile(join(ROOT, path), 'utf8');

/** Files of the repository, also those not committed yet. */
async function files(...patterns: string[]): Promise<string[]> {
  const { stdout } = await run('git', ['ls-files', '-co', '--exclude-standard', '--', ...patterns], { cwd: ROOT });
  return stdout.split('\n').filter((path) => path !== '' && existsSync(join(ROOT, path)));
}

interface Block {
  path: string;
  text: string;
}

/** Fenced blocks of all documents in one language. */
async function blocks(language: string): Promise<Block[]> {
  const found = (await files('*.md')).map(async (path) =>
    [...(await read(path)).matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
      .filter(([, tag]) => tag === language)
      .map(([, , text = '']) => ({ path, text })),
  );
  return (await Promise.all(found)).flat();
}

/** GitHub's anchors of a document's headings. */
function anchors(markdown: string): string[] {
  return [...markdown.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('links within the repository lead to something', async () => {
  const broken: string[] = [];
  for (const path of await files('*.md')) {
    const text = (await read(path)).replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '`');
    const links = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)].map(([, a, b]) => a ?? b ?? '');
    for (const link of links.filter((address) => !/^(?:https?|mailto):/.test(address))) {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? path : join(dirname(path), file);
      if (!existsSync(join(ROOT, target))) broken.push(`${path}: ${link}`);
      else if (anchor && !anchors(await read(target)).includes(anchor)) broken.push(`${path}: ${link}`);
    }
  }
  expect(broken).toEqual([]);
});

test('links to the web are written to be followed', async () => {
  for (const path of await files('*.md')) {
    for (const [, address = ''] of (await read(path)).matchAll(/\]\((https?:[^)\s]*)\)/g)) {
      expect(URL.canParse(address), `${path}: ${address}`).toBe(true);
      expect(address, path).toMatch(/^https:/);
    }
  }
});

interface Step {
  uses?: string;
  with?: Record<string, string>;
}

/** The steps of a workflow, of a job or of a list of steps. */
function steps(example: unknown): Step[] {
  if (Array.isArray(example)) return example;
  const jobs = (example as { jobs?: Record<string, { steps?: Step[] }> }).jobs ?? {};
  return Object.values(jobs).flatMap((job) => job.steps ?? []);
}

test('YAML in documents can be read, and asks for inputs and outputs that exist', async () => {
  let checked = 0;
  for (const { path, text } of await blocks('yaml')) {
    for (const { uses, with: given = {} } of steps(parse(text))) {
      if (!uses?.startsWith('OWNER/proxmox-lxc-nvidia@')) continue;
      checked++;
      expect(INPUTS, `${path}\n${text}`).toEqual(expect.arrayContaining(Object.keys(given)));
    }
    for (const [, output] of text.matchAll(/steps\.nvidia\.outputs\.([a-z-]+)/g)) expect(OUTPUTS).toContain(output);
  }
  expect(checked).toBeGreaterThan(6);
});

/** Every script in a YAML document: `run:` of steps, and what github-script takes, wherever they stand. */
function scripts(part: unknown): string[] {
  if (typeof part !== 'object' || part === null) return [];
  return Object.entries(part).flatMap(([key, value]) =>
    typeof value === 'string' ? (key === 'run' || key === 'script' ? [value] : []) : scripts(value),
  );
}

test('no example, workflow or document puts an expression into a script: outputs are passed by `env:`', async () => {
  const named = await Promise.all(
    (await files('*.yml', '*.yaml')).map(async (path) => ({ path, text: await read(path) })),
  );
  const all = [...named, ...(await blocks('yaml')), ...(await blocks('yml'))];
  const found = all.flatMap(({ path, text }) => scripts(parse(text)).map((script) => ({ path, script })));
  expect(found.length).toBeGreaterThan(10);
  expect(found.filter(({ script }) => script.includes('${{'))).toEqual([]);
});

test("action.yml says of the outputs that are a container's own words, and of no other, that they are", async () => {
  const { outputs } = parse(await read('action.yml')) as { outputs: Record<string, { description: string }> };
  const warned = Object.entries(outputs).filter(([, { description }]) =>
    description.endsWith("A container's own words: pass it on by `env:` and never put it into `run:`."),
  );
  expect(warned.map(([name]) => name)).toEqual([...CONTAINER_WORDS]);
});

test('shell in documents is correct, and calls scripts that exist', async () => {
  const { scripts } = JSON.parse(await read('package.json')) as { scripts: Record<string, string> };
  const all = await blocks('sh');
  expect(all.length).toBeGreaterThan(6);
  for (const { path, text } of all) {
    await expect(run('/bin/bash', ['-n', '-c', text]), `${path}\n${text}`).resolves.toBeDefined();
    for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g))
      expect(Object.keys(scripts), path).toContain(script);
    for (const [, file = ''] of text.matchAll(/\bnode (\S+\.ts)/g))
      expect(existsSync(join(ROOT, file)), file).toBe(true);
    const inputs = /run-local\.ts (.*)$/m.exec(text)?.[1]?.match(/[a-z-]+(?==)/g) ?? [];
    expect(INPUTS).toEqual(expect.arrayContaining(inputs));
  }
});

test('pictures are small enough to be loaded with the page', async () => {
  const pictures = await files('docs/images');
  expect(pictures.length).toBeGreaterThan(7);
  for (const picture of pictures) expect((await readFile(join(ROOT, picture))).length, picture).toBeLessThan(150_000);
});

test('workflows and forms can be read, and grant nothing but what a job asks for', async () => {
  for (const path of await files('.github/**.yml')) {
    const content = parse(await read(path));
    expect(content, path).toBeTypeOf('object');
    if (!path.startsWith('.github/workflows/')) continue;
    expect(content.permissions, path).toEqual({});
    for (const [name, job] of Object.entries<{ uses?: string; permissions?: unknown; 'timeout-minutes'?: number }>(
      content.jobs,
    )) {
      if (job.uses !== undefined) continue;
      expect(job['timeout-minutes'], `${path}: ${name}`).toBeGreaterThan(0);
    }
  }
});

test('the local run gives inputs, outputs and exit code as a runner does', async () => {
  const script = join(ROOT, 'scripts', 'run-local.ts');
  const result = await run(process.execPath, [script, 'containers=901', 'cuda-version=nonsense'], { cwd: ROOT }).catch(
    (error: { code: number; stdout: string }) => error,
  );
  expect(result).toMatchObject({ code: 1 });
  expect(result.stdout).toContain('::error title=CUDA_VERSION_INVALID::');
  expect(result.stdout).toContain('  failure-reason: CUDA_VERSION_INVALID\n');
  const [, summary = ''] = /^Summary: (.*)$/m.exec(result.stdout) ?? [];
  expect(await readFile(summary, 'utf8')).toMatch(/^## ❌ CUDA_VERSION_INVALID/);
  await run('rm', ['-rf', dirname(summary)]);
  await expect(run(process.execPath, [script, 'nothing'])).rejects.toThrow('is not of the form');
});
