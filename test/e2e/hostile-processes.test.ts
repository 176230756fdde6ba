import { afterAll, beforeAll, expect, test } from 'vitest';
import { plantFakeCalls } from '../lab/hostile/container-processes.ts';
import { runAction } from '../lab/runner.ts';
import { libraryVersions, Scenario } from './scenario.ts';

/* What a container calls its processes is nobody else's matter. */

const DRIVER = '580.159.04';
const DELAY = '/etc/proxmox-lxc-nvidia-lab/installer-delay';

let scenario: Scenario;
beforeAll(async () => {
  scenario = await Scenario.start({ driver: DRIVER });
});
afterAll(() => scenario?.end());

test('processes of containers that pass for calls of pct hold up nobody’s recovery', async () => {
  const victim = await scenario.container({ storage: 'btrfs' });
  const hostile = [await scenario.container(), await scenario.container({ unprivileged: false })];
  for (const container of hostile) await plantFakeCalls(container, victim.ctid);
  const seen = await scenario.host.exec([
    'sh',
    '-c',
    'cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -c "pct rollback $1"',
    'sh',
    `${victim.ctid}`,
  ]);
  expect(Number(seen.stdout), 'the host sees them').toBeGreaterThan(0);

  const inputs = { containers: `${victim.ctid}`, 'cuda-version': 'none', 'nvidia-container': 'none' };
  await victim.execOk({ script: 'mkdir -p "${1%/*}" && echo "20 after-removal" > "$1"', args: [DELAY] });
  let action = 0;
  const killed = await runAction(scenario.host, {
    inputs: { ...scenario.keys(), ...inputs },
    action: await scenario.actionWithoutPost(),
    onStart: (pid) => {
      action = pid;
    },
    onOutput: (text) => {
      if (/│ WARNING: You specified/.test(text)) process.kill(action, 'SIGKILL');
    },
  });
  expect(killed.signal).toBe('SIGKILL');

  await victim.execOk(['rm', '-f', DELAY]);
  const started = performance.now();
  const result = await scenario.run(inputs);
  // An orphan is waited for during five minutes.
  expect(performance.now() - started).toBeLessThan(200_000);
  expect(result.annotations.map(({ message }) => message)).toContain(
    `Container ${victim.ctid} was rolled-back after an interrupted run.`,
  );
  expect(await libraryVersions(victim)).toEqual([DRIVER]);
});
