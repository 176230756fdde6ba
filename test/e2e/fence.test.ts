import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MARKER, markerFor, PRIVILEGED_CALLS, sampleOf } from '../../src/proxmox/privileged-calls.ts';
import { CUT_OTHERWISE, REFUSED } from '../lab/hostile/host-runner-user.ts';
import { REPOSITORY_DIR } from '../lab/paths.ts';
import { Scenario } from './scenario.ts';

/* docs/sudoers against a user that has it and wants more: by the machine's own sudo, with the commands that its words give. */

const CALLS = [...PRIVILEGED_CALLS, MARKER];
const LIMIT = ['/usr/bin/timeout', '-k', '10', '30'];
const AS_RUNNER = ['/usr/bin/setpriv', '--reuid', 'runner', '--regid', 'runner', '--init-groups', '--'];

let scenario: Scenario;

beforeAll(async () => {
  scenario = await Scenario.start();
  await scenario.host.setSudo(true);
  // Where a host's own sudoers sets nothing of what Debian's does.
  await writeFile(scenario.host.path('/etc/sudoers'), 'root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n');
  const script = 'mkdir -p /etc/pve/priv && echo canary > /etc/pve/priv/authkey.key && echo canary > /etc/pve/x';
  await scenario.host.exec(['sh', '-c', script]);
});
afterAll(() => scenario?.end());

const sudo = (argv: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  scenario.host.exec([...AS_RUNNER, '/usr/bin/sudo', '-n', ...argv], { env: { ...process.env, ...env } });
const listed = async (argv: readonly string[]) => (await sudo(['-l', '--', ...LIMIT, ...argv])).exitCode === 0;

/** Types the commands in the words of a file of rules: those from one line on, to the end of their block. */
async function type(file: string, first: string): Promise<void> {
  const text = await readFile(join(REPOSITORY_DIR, file), 'utf8');
  const [words = ''] = /^(?:#.*\n)*/.exec(text) ?? [];
  const blocks = words.split(/^#\n/m).map((block) => block.replace(/^# {3}/gm, ''));
  const block = blocks.find((candidate) => candidate.startsWith(first)) ?? '';
  expect(block).not.toBe('');
  const docs = '/root/checkout/docs';
  await scenario.host.exec(['sh', '-c', 'mkdir -p "$2" && cp "$1"/docs/sudoers* "$2"', 'sh', REPOSITORY_DIR, docs]);
  const result = await scenario.host.exec(['sh', '-euc', `cd ${docs}/..\n${block}`]);
  expect(result, block).toMatchObject({ exitCode: 0 });
}

async function expectHeld(what: string, argv: readonly string[]): Promise<void> {
  const { exitCode, stdout, stderr } = await sudo(argv);
  expect({ exitCode, stdout, refused: /^sudo: /m.test(stderr) }, `${what}: ${stderr}`).toEqual({
    exitCode: 1,
    stdout: '',
    refused: true,
  });
}

describe('the fence', () => {
  beforeAll(() => scenario.host.clearPctCalls());

  test('is made by the commands in its words, and asks for no password', async () => {
    await type('docs/sudoers', 'visudo -cf docs/sudoers\n');
    expect((await scenario.host.exec(['visudo', '-c'])).exitCode).toBe(0);
    const state = '/var/lib/proxmox-lxc-nvidia';
    const paths = [state, `${state}/locks`, `${state}/runner`];
    const { stdout } = await scenario.host.exec(['stat', '-c', '%U %G %a', ...paths]);
    expect(stdout).toBe('root root 755\nroot runner 750\nrunner runner 711\n');
    expect((await sudo(['--', ...LIMIT, ...markerFor([901, 902])])).exitCode).toBe(0);
    expect((await sudo(['--', ...LIMIT, '/bin/cat', '--', '/etc/pve/storage.cfg'])).exitCode).toBe(0);
  });

  test.each(CALLS.map((call) => [sampleOf(call, 901).slice(0, 4).join(' ').slice(0, 80), call] as const))(
    'lets through %s',
    async (_, call) => {
      for (const ctid of [100, 901, 999_999_999]) expect(await listed(sampleOf(call, ctid))).toBe(true);
    },
  );

  test('lets through a script of many lines, to the container that is named', async () => {
    const [exec] = PRIVILEGED_CALLS;
    if (exec === undefined) throw new Error('no calls');
    const script = 'a="b, c: d=e * \\"\n\n#\n$(id)\u00e9\n';
    expect(await listed([...sampleOf(exec, 901).slice(0, -1), script, '', '--keep-env'])).toBe(true);
    expect(await listed([...sampleOf(exec, 901), 'x'.repeat(100_000)])).toBe(true);
  });

  test('refuses every attack, and starts no pct for any', async () => {
    for (const [what, argv] of Object.entries(REFUSED)) await expectHeld(what, argv);
    expect(await scenario.host.pctCalls()).toEqual([]);
  });

  test('lets through nothing that does something, however the arguments are cut', async () => {
    for (const [what, argv] of Object.entries(CUT_OTHERWISE)) {
      const { exitCode, stdout } = await sudo(['--', ...argv]);
      expect({ failed: exitCode !== 0, stdout }, what).toEqual({ failed: true, stdout: '' });
    }
    expect(await scenario.host.pctCalls()).toEqual([]);
  });

  test('hands on no PATH and no variable of its caller, whatever the host has set', async () => {
    await sudo(['--', ...LIMIT, '/usr/sbin/pct', 'unlock', '999'], {
      PATH: `/tmp/mallory:${process.env['PATH']}`,
      PERL5OPT: '-Mmallory',
      PERL5LIB: '/tmp/mallory',
      LD_LIBRARY_PATH: '/tmp/mallory',
      PROMPT_COMMAND: 'mallory',
    });
    const [call] = await scenario.host.pctCalls();
    expect(call?.env['PATH']).toBe('/usr/sbin:/usr/bin:/sbin:/bin');
    expect(JSON.stringify(call?.env)).not.toContain('mallory');
  });

  test('runs no program of the same name from somewhere else', async () => {
    const script =
      'mkdir -p /tmp/mallory && printf "#!/bin/sh\\nid\\n" > /tmp/mallory/timeout && chmod -R 755 /tmp/mallory';
    await scenario.host.exec(['sh', '-c', script]);
    await expectHeld('a timeout of his own', [
      '/tmp/mallory/timeout',
      ...LIMIT.slice(1),
      '/usr/sbin/pct',
      'start',
      '901',
    ]);
    await scenario.host.exec(['rm', '-r', '/tmp/mallory']);
  });
});

describe('the fence around some containers', () => {
  beforeAll(() => type('docs/sudoers', 'sed '));

  test('lets through every call for these and none for others', async () => {
    for (const call of CALLS) {
      for (const ctid of [901, 902]) expect(await listed(sampleOf(call, ctid)), `${ctid}`).toBe(true);
      const varies = sampleOf(call, 901).join() !== sampleOf(call, 903).join();
      for (const ctid of [903, 900, 9010, 90]) expect(await listed(sampleOf(call, ctid)), `${ctid}`).toBe(!varies);
    }
    expect(await listed(markerFor([901, 902, 901]))).toBe(true);
    expect(await listed(markerFor([901, 903]))).toBe(false);
  });

  test('refuses every attack', async () => {
    for (const [what, argv] of Object.entries(REFUSED)) await expectHeld(what, argv);
  });
});

test('the open rules let through every call, and are valid as they stand', async () => {
  await type('docs/sudoers-open', 'visudo -cf docs/sudoers-open\n');
  for (const call of CALLS) expect(await listed(sampleOf(call, 901))).toBe(true);
  expect(await listed(markerFor([901, 902]))).toBe(true);
  // What they are named for.
  expect((await sudo(['--', ...(REFUSED['a shell that is given pct as an argument'] ?? [])])).stdout).toContain(
    'uid=0(root)',
  );
});
