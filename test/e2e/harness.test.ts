import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { markerFor } from '../../src/proxmox/privileged-calls.ts';
import { timeLimited } from '../../src/system/command.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';
import { runAction, SECRETS } from '../lab/runner.ts';

// The harness itself: that it gives an action what GitHub's runner gives it, shown with actions of a few lines.

let lab: Lab;
let host: Host;
let directory: string;

beforeAll(async () => {
  lab = await Lab.connect();
  host = await lab.host();
  directory = await mkdtemp('/tmp/harness-');
  await chmod(directory, 0o755); // the user runner must be able to read it
});

afterAll(async () => {
  await lab?.down();
  if (directory) await rm(directory, { recursive: true });
});

test('inputs, files of the runner, commands and post', async () => {
  const action = await makeAction(
    'echo',
    `
    import { appendFileSync } from 'node:fs';
    const { env } = process;
    console.log('::group::Inputs');
    console.log(JSON.stringify([env['INPUT_CUDA-VERSION'], env.INPUT_CONTAINERS, env.INPUT_OTHER_NAME]));
    console.log('::endgroup::');
    console.log('::error title=No%2C really,file=a::100%25 wrong%0Asecond line');
    appendFileSync(env.GITHUB_OUTPUT, 'result<<END\\none\\ntwo\\nEND\\nplain=x\\n');
    appendFileSync(env.GITHUB_STATE, 'held=lock\\n');
    appendFileSync(env.GITHUB_STEP_SUMMARY, '# Summary\\n');
    process.exitCode = 3;
    `,
    "console.log('held: ' + process.env.STATE_held);",
  );
  const result = await runAction(host, { action, inputs: { containers: '901\n902' } });
  expect(result).toMatchObject({
    exitCode: 3,
    outputs: { result: 'one\ntwo', plain: 'x' },
    state: { held: 'lock' },
    summary: '# Summary\n',
    annotations: [
      { name: 'error', properties: { title: 'No, really', file: 'a' }, message: '100% wrong\nsecond line' },
    ],
    post: { exitCode: 0, stdout: 'held: lock\n' },
    pctCalls: [],
  });
  expect(result.stdout).toContain('["12.8","901\\n902","a b"]');
});

test('the action is on the host, and its calls of pct are seen with what they were given', async () => {
  const action = await makeAction(
    'host',
    `
    import { execFileSync } from 'node:child_process';
    const run = (...argv) => execFileSync(argv[0], argv.slice(1), { encoding: 'utf8' });
    console.log(run('uname', '-n') + run('pveversion') + run('cat', '/proc/driver/nvidia/version') + run('pct', 'list'));
    `,
  );
  const result = await runAction(host, { action });
  expect(result.stdout).toMatch(/^vm\npve-manager\/9.*\nNVRM version: .* 580\.159\.04 /);
  expect(result.pctCalls).toMatchObject([{ argv: ['list'], exitCode: 0, env: { GITHUB_TOKEN: SECRETS.GITHUB_TOKEN } }]);
});

test.each([
  [true, '0'],
  [false, '1'],
])('as the user runner, sudo allowed: %s', async (allowed, code) => {
  await host.setSudo(allowed);
  const action = await makeAction(
    `sudo-${allowed}`,
    `
    import { spawnSync } from 'node:child_process';
    const limited = ${JSON.stringify(timeLimited(60, markerFor([])))};
    const sudo = spawnSync('sudo', ['-n', ...limited], { encoding: 'utf8' });
    console.log(process.getuid(), sudo.status, sudo.stderr.trim(), spawnSync('/usr/sbin/pct', ['list']).status);
    `,
  );
  const result = await runAction(host, { action, user: 'runner' });
  expect(result.stdout).toMatch(new RegExp(`^1500 ${code} ${allowed ? '' : 'sudo: a password is required'} 255\n$`));
});

test('cancelling: SIGINT, 7.5 s, SIGTERM, 2.5 s, then the whole tree is killed, then post', async () => {
  const action = await makeAction(
    'stubborn',
    `
    import { spawn } from 'node:child_process';
    const child = spawn('sleep', ['3603'], { detached: true, stdio: 'ignore' });
    const started = Date.now();
    for (const signal of ['SIGINT', 'SIGTERM']) {
      process.on(signal, () => console.log(signal, Math.round((Date.now() - started) / 500) / 2));
    }
    setInterval(() => {}, 1000);
    console.log('child', child.pid);
    `,
    "console.log('post ran');",
  );
  const result = await runAction(host, { action, cancel: { when: /child \d+/ } });
  expect(result.stdout).toMatch(/^child \d+\nSIGINT 0\nSIGTERM 7\.5\n$/);
  expect(result.signal).toBe('SIGKILL');
  expect(result.post?.stdout).toBe('post ran\n');
  const child = /child (\d+)/.exec(result.stdout)?.[1];
  await expect(readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')).resolves.toBe('');
});

async function makeAction(name: string, main: string, post?: string): Promise<string> {
  const action = join(directory, name);
  await mkdir(action);
  await writeFile(join(action, 'package.json'), '{ "type": "module" }');
  await writeFile(join(action, 'main.js'), main);
  if (post) await writeFile(join(action, 'post.js'), post);
  await writeFile(
    join(action, 'action.yml'),
    `name: ${name}
inputs:
  containers: {}
  cuda-version: { default: '12.8' }
  other name: { default: 'a b' }
runs:
  using: node24
  main: main.js
${post ? '  post: post.js\n' : ''}`,
  );
  return action;
}
