import { describe, type ExpectStatic, test } from 'vitest';
import { ActionError } from '../../src/errors.ts';
import { Pct } from '../../src/proxmox/pct.ts';
import { runCommand } from '../../src/system/command.ts';
import type { Container } from '../lab/container.ts';
import { leftovers, libraryVersions, Scenario } from './scenario.ts';

/* Tests here run side by side: nearly all of their time is waiting for the shortest time limit there is, a minute. */

const DRIVER = '580.159.04';

function hangTest(
  title: string,
  storage: 'btrfs' | 'dir',
  body: (scenario: Scenario, container: Container, expect: ExpectStatic) => Promise<void>,
): void {
  test.concurrent(title, async ({ expect }) => {
    const scenario = await Scenario.start({ driver: DRIVER });
    try {
      await body(scenario, await scenario.container({ storage }), expect);
    } finally {
      await scenario.end();
    }
  });
}

const driverOnly = ({ ctid }: Container) => ({
  containers: `${ctid}`,
  'cuda-version': 'none',
  'nvidia-container': 'none',
  'timeout-minutes': '1',
});

/** A program of the container that never ends; it stands before the real one in the search path. */
const hang = (container: Container, name: string) =>
  container.writeFile(`/usr/local/sbin/${name}`, '#!/bin/sh\necho "waiting for the lab"\nexec sleep 3000\n', '0755');

/** How many processes that the action started are left in a container. */
async function left(container: Container): Promise<number> {
  const script = 'cat /proc/[0-9]*/environ | tr "\\0" "\\n" | grep -c ^PROXMOX_LXC_NVIDIA= || :';
  return Number(await container.execOk({ script }));
}

describe.concurrent('what hangs in a container is ended there and told', () => {
  hangTest(
    "NVIDIA's installer: the container goes back to its snapshot",
    'btrfs',
    async (scenario, container, expect) => {
      await container.writeFile('/etc/proxmox-lxc-nvidia-lab/installer-delay', '3000 copying');
      const { outputs, summary } = await scenario.run(driverOnly(container), { exitCode: 1 });
      expect(outputs['failure-reason']).toBe('TIMEOUT');
      expect(summary).toContain('running NVIDIA&#39;s installer didn&#39;t end within');
      expect(JSON.parse(outputs['containers'] ?? '')[container.ctid]).toMatchObject({
        rolledBack: true,
        after: { driver: 'none' },
      });
      expect(await left(container)).toBe(0);
      expect(await leftovers(container)).toBe('');
    },
  );

  hangTest("apt: the container's files are as they were", 'dir', async (scenario, container, expect) => {
    await hang(container, 'apt-get');
    const files = 'find /etc/apt -type f -exec sha256sum {} + | sort';
    const before = await container.execOk({ script: files });
    const { outputs, summary } = await scenario.run(driverOnly(container), { exitCode: 1 });
    expect(outputs['failure-reason']).toBe('TIMEOUT');
    expect(summary).toContain('setting up apt didn&#39;t end within');
    expect(await container.execOk({ script: files })).toBe(before);
    expect(await left(container)).toBe(0);
    expect(await leftovers(container)).toBe('');
    expect(await libraryVersions(container)).toEqual([]);
  });

  hangTest('nvidia-smi: a verification that fails', 'btrfs', async (scenario, container, expect) => {
    await scenario.run({ ...driverOnly(container), 'timeout-minutes': '60' });
    await hang(container, 'nvidia-smi');
    const { outputs, summary, durationMs } = await scenario.run(driverOnly(container), { exitCode: 1 });
    expect(outputs['failure-reason']).toBe('GPU_HANGS');
    expect(summary).toContain('it hangs');
    expect(durationMs).toBeLessThan(90_000);
    expect(await left(container)).toBe(0);
  });

  hangTest('whatever does not heed TERM either', 'dir', async (scenario, container, expect) => {
    const pct = pctOf(scenario);
    const failure = await pct
      .script(container.ctid, 'trap "" TERM; echo begun; while :; do sleep 0.1; done', [], {
        purpose: 'being stubborn',
        timeoutSeconds: 1,
      })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ActionError);
    expect(failure).toMatchObject({ code: 'TIMEOUT', details: expect.stringContaining('begun') });
    expect(String(failure)).toContain('being stubborn');
    expect(await left(container)).toBe(0);
  });
});

describe.concurrent('a pct that hangs is ended and told', () => {
  hangTest('before it starts anything', 'dir', async (scenario, container, expect) => {
    await scenario.host.setSwitches({ faults: [{ subcommand: 'exec', hang: true, nth: 1 }] });
    const failure = await pctOf(scenario)
      .exec(container.ctid, ['true'], { purpose: 'trying', timeoutSeconds: 1 })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'TIMEOUT' });
    expect(String(failure)).toContain(`pct exec ${container.ctid} didn't start anything within 1 min 1 s (for trying)`);
  });

  hangTest('with its own words for a task', 'btrfs', async (scenario, container, expect) => {
    await scenario.host.setSwitches({ faults: [{ subcommand: 'snapshot', hang: true }] });
    const failure = await pctOf(scenario)
      .manage('SNAPSHOT_FAILED', ['snapshot', `${container.ctid}`, 'x'], { timeoutSeconds: 1, remedy: 'Wait.' })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'SNAPSHOT_FAILED' });
    expect(String(failure)).toContain(`pct snapshot ${container.ctid} x didn't end within 1.0 s and was ended`);
  });
});

/** The action's own way to pct, on the lab's host, for time limits that inputs don't go down to. */
function pctOf({ host }: Scenario): Pct {
  return new Pct(
    (argv, options) => runCommand(host.enter(argv).with(0, '/usr/bin/nsenter') as [string, ...string[]], options),
    new AbortController().signal,
  );
}
