import { existsSync, readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import { descriptorReport, exploitsDescriptors } from '../lab/hostile/container-descriptors.ts';
import { takesTheTerminal, terminalReport } from '../lab/hostile/container-terminal.ts';
import { REPOSITORY_DIR } from '../lab/paths.ts';
import { libraryVersions, Scenario } from './scenario.ts';

/* What a container could get hold of through the command that the action runs in it: the terminal, and open files. */

const DRIVER = '580.159.04';
/** The first program that every command of the action needs in a container. */
const PROGRAM = '/usr/bin/env';

let scenario: Scenario;

beforeAll(async () => {
  scenario = await Scenario.start({ driver: DRIVER });
});
afterAll(() => scenario?.end());

const driverOnly = ({ ctid }: Container) => ({
  containers: `${ctid}`,
  'cuda-version': 'none',
  'nvidia-container': 'none',
});

const SWITCH = '/proc/sys/dev/tty/legacy_tiocsti';
/** Kernels before 6.2 have no switch: it works. With it off it works only for those who have CAP_SYS_ADMIN. */
const allowed = !existsSync(SWITCH) || readFileSync(SWITCH, 'utf8').trim() !== '0';

describe('a run in a terminal: a container gets at it by none of its commands', () => {
  test.each([true, false])(
    `unprivileged: %s${allowed ? '' : ' (typing NOT TESTED where forbidden)'}`,
    async (unprivileged) => {
      const container = await scenario.container({ unprivileged });
      await takesTheTerminal(container, PROGRAM);
      const inputs = Object.entries({ ...driverOnly(container), mode: 'verify' }).map((input) => input.join('='));
      const action = [process.execPath, join(REPOSITORY_DIR, 'scripts/run-local.ts'), ...inputs];
      const command = (words: readonly string[]) => words.map((word) => `'${word}'`).join(' ');
      // What comes after is the next that reads the terminal: a shell, were this one typed in.
      const look = 'for turn in 1 2 3 4; do typed=; IFS= read -r -t 1 typed; echo "read: $typed"; done';
      const inTerminal = async (script: string) =>
        (await scenario.host.exec(['script', '-qec', `bash -c '${script.replaceAll("'", "'\\''")}'`, '/dev/null']))
          .stdout;

      const output = await inTerminal(`${command(action)}; ${look}`);
      expect(output).toContain('Outputs:');
      const seen = await terminalReport(container);
      expect(new Set(seen)).toEqual(new Set(['/dev/tty: No such device or address']));
      expect(output).not.toMatch(/TYPED|WRITTEN/);

      // The same with what would have been without a session of its own.
      const pct = `pct exec ${container.ctid} -- ${PROGRAM} true < /dev/null 2>&1 | cat; ${look}`;
      const control = await inTerminal(pct);
      expect(control).toContain('WRITTEN');
      const [how = ''] = await terminalReport(container);
      if (how === 'typed') expect(control).toContain('read: TYPED');
      else {
        expect(allowed, how).toBe(false);
        console.log(`NOT TESTED: typing into the terminal, which this machine's kernel forbids (${how})`);
      }
    },
  );
});

describe('no descriptor leads from a container to a file or process of the host', () => {
  test.each([true, false])('unprivileged: %s', async (unprivileged) => {
    const container = await scenario.container({ unprivileged });
    await exploitsDescriptors(container, PROGRAM);
    const nullBefore = await stat(scenario.host.path('/dev/null'));
    const { outputs } = await scenario.run(driverOnly(container));
    expect(outputs['result']).toBe('changed');
    expect(await libraryVersions(container)).toEqual([DRIVER]);
    const lines = await descriptorReport(container);
    expect(lines.length).toBeGreaterThan(10);
    const different = new Set(lines.map((line) => line.replace(/\d{2,}/, 'N')));
    expect([...different].sort()).toEqual(['0 pipe:[N]', '1 pipe:[N]', '2 pipe:[N]']);
    const archive = await readFile(scenario.host.path('/var/lib/proxmox-lxc-nvidia/root/archive/archive.tar'));
    expect(archive.includes('WRITTEN BY A CONTAINER')).toBe(false);
    const { mode, ctimeMs } = await stat(scenario.host.path('/dev/null'));
    expect([mode, ctimeMs]).toEqual([nullBefore.mode, nullBefore.ctimeMs]);
  });
});

test('a container that keeps the output of every command open: the run ends, and nothing on the host stays', async () => {
  const container = await scenario.container();
  const stays = '[ "$1" != -i ] || [ -e /var/tmp/stays ] || { : > /var/tmp/stays; sleep 3473 & }';
  await container.execOk(['mv', PROGRAM, `${PROGRAM}.real`]);
  await container.writeFile(PROGRAM, `#!/bin/sh\n${stays}\nexec ${PROGRAM}.real "$@"\n`, '0755');
  const { outputs } = await scenario.run(driverOnly(container));
  expect(outputs['result']).toBe('changed');
  const script = 'for process in /proc/[0-9]*; do tr "\\0" " " < "$process/cmdline"; echo; done 2> /dev/null';
  expect(await container.execOk({ script })).toContain('sleep 3473');
  const holder = await scenario.host.exec(['readlink', '/proc/self/ns/mnt']);
  const { stdout } = await scenario.host.exec([
    ...[
      'sh',
      '-c',
      'for p in /proc/[0-9]*; do [ "$(readlink "$p/ns/mnt")" != "$1" ] || tr "\\0" " " < "$p/cmdline"; echo; done',
      'sh',
    ],
    holder.stdout.trim(),
  ]);
  expect(stdout).not.toMatch(/\/bin\/cat |--norc/);
});
