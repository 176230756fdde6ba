/**
 * The action without GitHub, by hand on a host: `node scripts/run-local.ts containers=901 cuda-version=12.8 mode=plan`.
 *
 * Runs dist/ as a runner does, main and then post, and tells outputs and where the summary is. Inputs are those of action.yml;
 * what isn't given has its default. Needs Node 24; the runner brings one in its externals/node24/bin.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

const DIST = join(import.meta.dirname, '..', 'dist');

const inputs = process.argv.slice(2).map((argument) => {
  const [, name, value] = /^([a-z0-9-]+)=(.*)$/s.exec(argument) ?? [];
  if (name === undefined || value === undefined) throw new Error(`"${argument}" is not of the form input=value.`);
  return [`INPUT_${name.toUpperCase()}`, value];
});
const directory = await mkdtemp(join(tmpdir(), 'proxmox-lxc-nvidia-local-'));
const tools = join(homedir(), '.cache', 'proxmox-lxc-nvidia');
await mkdir(tools, { recursive: true });

/** Runs one phase and gives its exit code with the names and values it wrote for the runner. */
async function phase(script: string, environment: Record<string, string>) {
  const file = (name: string) => join(directory, `${script.replace(/\W+/g, '-')}-${name}`);
  const files = {
    GITHUB_OUTPUT: file('outputs'),
    GITHUB_STATE: file('state'),
    GITHUB_STEP_SUMMARY: file('summary.md'),
  };
  for (const path of Object.values(files)) await writeFile(path, '');
  const child = spawn(process.execPath, [join(DIST, script)], {
    stdio: 'inherit',
    env: { ...process.env, ...files, RUNNER_TEMP: directory, RUNNER_TOOL_CACHE: tools, ...environment },
  });
  // Ctrl-C reaches it as well, and it needs some seconds to end what runs in a container.
  process.on('SIGINT', () => {});
  const code = await new Promise<number>((resolve) => {
    child.on('close', (exitCode) => resolve(exitCode ?? 1));
  });
  return { code, files, outputs: await values(files.GITHUB_OUTPUT), state: await values(files.GITHUB_STATE) };
}

/** `name<<delimiter`, lines, `delimiter`: what @actions/core writes. */
async function values(path: string): Promise<[string, string][]> {
  const text = await readFile(path, 'utf8');
  return [...text.matchAll(/^(.*?)<<(.*)\n([\s\S]*?)\n?\2$/gm)].map(([, name = '', , value = '']) => [name, value]);
}

const main = await phase('start.js', Object.fromEntries(inputs));
await phase('post/index.js', Object.fromEntries(main.state.map(([name, value]) => [`STATE_${name}`, value])));
console.log('\nOutputs:');
for (const [name, value] of main.outputs) console.log(`  ${name}: ${value.replaceAll('\n', '\n    ')}`);
console.log(`Summary: ${main.files.GITHUB_STEP_SUMMARY}`);
process.exitCode = main.code;
