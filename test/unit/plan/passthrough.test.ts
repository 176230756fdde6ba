import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActionError } from '../../../src/errors.ts';
import type { ContainerFacts, GuestFacts, HostFacts } from '../../../src/facts/facts.ts';
import { allows, passthroughGap, passthroughWarnings } from '../../../src/plan/passthrough.ts';
import { makePlan, remainingGaps } from '../../../src/plan/plan.ts';
import { parseContainerConfig, passedGpus, passthroughOf } from '../../../src/proxmox/config.ts';
import { bareGuest, containerFacts, desired, facts, guestFacts, hostFacts } from '../helpers/facts.ts';
import { failureOf } from '../helpers/failure.ts';

/** A container with the given configuration. */
function configured(config: string, guest: GuestFacts, changes: Partial<ContainerFacts> = {}): ContainerFacts {
  const passthrough = passthroughOf(parseContainerConfig(config));
  return containerFacts({ passthrough, passedGpus: passedGpus(passthrough), ...changes }, guest);
}

const ONE_GPU: Partial<HostFacts> = {
  deviceNodes: hostFacts().deviceNodes.filter(({ path }) => path !== '/dev/nvidia1'),
  gpus: hostFacts().gpus.slice(0, 1),
};
const NO_NODES = guestFacts({ deviceNodes: [] });
/** The inside when these nodes are there. */
const withNodes = (...paths: string[]) =>
  guestFacts({ deviceNodes: guestFacts().deviceNodes.filter(({ path }) => paths.includes(path)) });

function plan(
  container: ContainerFacts,
  { host = {}, gpus = null }: { host?: Partial<HostFacts>; gpus?: number[] | null } = {},
) {
  const wish = desired({ passthrough: 'configure', gpus: gpus === null ? {} : { 901: gpus } });
  return makePlan(wish, facts({ host: hostFacts(host), container }));
}
const added = (made: ReturnType<typeof plan>) =>
  made.actions.flatMap((action) =>
    action.kind === 'configure-passthrough' ? action.entries.map(({ key, value }) => `${key}: ${value}`) : [],
  );
const kinds = (made: ReturnType<typeof plan>) => made.actions.map(({ kind }) => kind);

describe('passthrough: configure', () => {
  it('changes nothing of a container in which all is passed', () => {
    expect(plan(containerFacts()).actions).toEqual([]);
  });

  it('passes the only GPU of the host to a container without any, and restarts it in the end', () => {
    const made = plan(configured('dev0: /dev/ttyUSB0', bareGuest({ deviceNodes: [] })), { host: ONE_GPU });
    expect(added(made)).toEqual([
      'dev1: /dev/nvidia0,mode=0666',
      'dev2: /dev/nvidiactl,mode=0666',
      'dev3: /dev/nvidia-uvm,mode=0666',
      'dev4: /dev/nvidia-uvm-tools,mode=0666',
    ]);
    expect(kinds(made).slice(-2)).toEqual(['configure-passthrough', 'restart']);
    expect(kinds(made)).toContain('install-driver');
  });

  it.each<[string, string, string[], number[] | null, string[]]>([
    [
      'nvidia-uvm alone',
      'dev0: /dev/nvidia0\ndev1: /dev/nvidiactl',
      ['/dev/nvidia0', '/dev/nvidiactl'],
      null,
      ['dev2: /dev/nvidia-uvm,mode=0666', 'dev3: /dev/nvidia-uvm-tools,mode=0666'],
    ],
    [
      'what the GPU that is passed needs, not another GPU',
      'dev3: /dev/nvidia1',
      ['/dev/nvidia1'],
      null,
      ['dev0: /dev/nvidiactl,mode=0666', 'dev1: /dev/nvidia-uvm,mode=0666', 'dev2: /dev/nvidia-uvm-tools,mode=0666'],
    ],
    [
      'the GPUs that Phoenix assigns, and none away',
      'dev0: /dev/nvidia0\ndev1: /dev/nvidiactl\ndev2: /dev/nvidia-uvm\ndev3: /dev/nvidia-uvm-tools',
      ['/dev/nvidia0', '/dev/nvidiactl', '/dev/nvidia-uvm', '/dev/nvidia-uvm-tools'],
      [1],
      ['dev4: /dev/nvidia1,mode=0666'],
    ],
    [
      'beside raw lines',
      'lxc.cgroup2.devices.allow: c 195:* rwm\nlxc.mount.entry: /dev/nvidia0 dev/nvidia0 none bind\nlxc.mount.entry: /dev/nvidiactl dev/nvidiactl none bind',
      ['/dev/nvidia0', '/dev/nvidiactl'],
      null,
      ['dev0: /dev/nvidia-uvm,mode=0666', 'dev1: /dev/nvidia-uvm-tools,mode=0666'],
    ],
    [
      'what an earlier failure took away again',
      'dev0: /dev/nvidia0\ndev1: /dev/nvidiactl\ndev2: /dev/nvidia-uvm\n\n[pve:pending]\ndelete: dev2\n',
      ['/dev/nvidia0', '/dev/nvidiactl'],
      null,
      ['dev2: /dev/nvidia-uvm,mode=0666', 'dev3: /dev/nvidia-uvm-tools,mode=0666'],
    ],
  ])('passes %s', (_what, config, inside, gpus, entries) => {
    const made = plan(configured(config, withNodes(...inside)), { gpus });
    expect(added(made)).toEqual(entries);
    expect(kinds(made)).toEqual(['configure-passthrough', 'restart']);
    expect(made.warnings).toEqual([]);
  });

  it('only restarts where somebody else has added the entries already', () => {
    const config =
      'dev0: /dev/nvidia0\ndev1: /dev/nvidiactl\n\n[pve:pending]\ndev2: /dev/nvidia-uvm\n\n[before]\ndev3: /dev/nvidia1\n';
    expect(kinds(plan(configured(config, withNodes('/dev/nvidia0', '/dev/nvidiactl'))))).toEqual(['restart']);
  });

  it.each<[string, ContainerFacts, number[] | null]>([
    [
      'no nvidia-uvm-tools alone: no reason for a restart',
      configured(
        'dev0: /dev/nvidia0\ndev1: /dev/nvidiactl\ndev2: /dev/nvidia-uvm',
        withNodes('/dev/nvidia0', '/dev/nvidiactl', '/dev/nvidia-uvm'),
      ),
      null,
    ],
    ['nodes that come by other means', configured('', guestFacts()), null],
    [
      'a driver that may make its nodes itself (recorded container 907)',
      configured('lxc.cgroup2.devices.allow: c 195:* rwm\nlxc.cgroup2.devices.allow: c 238:* rwm', NO_NODES, {
        unprivileged: false,
      }),
      [0, 1],
    ],
    ['no GPU that it is to get', configured('', guestFacts()), []],
  ])('leaves a container as it is with %s', (_what, container, gpus) => {
    expect(plan(container, { gpus }).actions).toEqual([]);
  });

  it.each<[string, string, ContainerFacts, Partial<HostFacts>, number[] | null, string[]]>([
    ['several GPUs to choose from', 'PASSTHROUGH_AMBIGUOUS', configured('', NO_NODES), {}, null, ['has 2', '901']],
    [
      'a host without nvidia-uvm',
      'HOST_UVM_MISSING',
      configured('', NO_NODES),
      { deviceNodes: (ONE_GPU.deviceNodes ?? []).filter(({ path }) => !path.includes('uvm')) },
      null,
      ['nvidia-modprobe -c 0 -u', 'docs/passthrough.md'],
    ],
    [
      'a host without nodes',
      'HOST_GPU_NODES_MISSING',
      configured('', NO_NODES),
      { deviceNodes: [] },
      null,
      ['nvidia-smi'],
    ],
    ['a GPU that the host lacks', 'HOST_GPU_NODES_MISSING', configured('', NO_NODES), {}, [7], ['/dev/nvidia7']],
    [
      'a Proxmox before 8.1',
      'PASSTHROUGH_UNSUPPORTED',
      configured('', NO_NODES),
      { ...ONE_GPU, proxmoxVersion: '8.0.9' },
      null,
      ['8.0.9', '/etc/pve/lxc/901.conf'],
    ],
    [
      'a Proxmox of which nothing is known',
      'PASSTHROUGH_UNSUPPORTED',
      configured('', NO_NODES),
      { ...ONE_GPU, proxmoxVersion: null },
      null,
      ['unknown'],
    ],
    [
      'no entry left',
      'PASSTHROUGH_UNSUPPORTED',
      configured(Array.from({ length: 256 }, (_, index) => `dev${index}: /dev/ttyS${index}`).join('\n'), NO_NODES),
      ONE_GPU,
      null,
      ['dev255'],
    ],
    [
      'a node that its configuration passes and its cgroup denies',
      'CONTAINER_GPU_NODE_DENIED',
      configured(
        'lxc.mount.entry: /dev/nvidia0 dev/nvidia0 none bind',
        guestFacts({ deviceNodes: guestFacts().deviceNodes.map((node) => ({ ...node, open: 'EPERM' as const })) }),
      ),
      ONE_GPU,
      null,
      ['/dev/nvidia0'],
    ],
  ])('refuses %s', async (_what, code, container, host, gpus, named) => {
    const failure = await failureOf(() => plan(container, { host, gpus }));
    expect(failure.code).toBe(code);
    for (const name of named) expect(failure.message).toContain(name);
  });

  describe('whatever the container says', () => {
    const nodes = fc.array(
      fc.record({
        path: fc.constantFrom('/dev/nvidia0', '/dev/nvidia1', '/dev/nvidiactl', '/dev/nvidia-uvm', '/dev/nvidia7'),
        major: fc.constantFrom(195, 238, 1),
        minor: fc.constantFrom(0, 1, 255),
        open: fc.constantFrom('ok', 'EPERM', 'EACCES', 'ENXIO'),
      }),
    );
    const configuration = fc.constantFrom(
      '',
      'dev0: /dev/nvidia1',
      'dev0: /dev/nvidia0\ndev1: /dev/nvidiactl',
      'dev0: /dev/nvidia0\n\n[pve:pending]\ndev1: /dev/nvidiactl\n',
      'lxc.mount.entry: /dev/nvidia0 dev/nvidia0 none bind',
      'lxc.cgroup2.devices.allow: c 195:* rwm',
    );
    const assigned = fc.constantFrom<number[] | null>(null, [0], [1], [0, 1], []);
    const gapOf = (container: ContainerFacts, host: Partial<HostFacts>, gpus: number[] | null) => {
      const wish = desired({ passthrough: 'configure', gpus: gpus === null ? {} : { 901: gpus } });
      try {
        return passthroughGap(wish, hostFacts(host), container)?.entries ?? [];
      } catch (error) {
        return (error as ActionError).code;
      }
    };

    it('adds nothing to what wish, host and configuration ask for, and chooses no GPU', () => {
      const host = fc.constantFrom<Partial<HostFacts>>({}, ONE_GPU);
      fc.assert(
        fc.property(nodes, configuration, assigned, host, fc.boolean(), (inside, config, gpus, on, unprivileged) => {
          const [honest, lying] = [NO_NODES, guestFacts({ deviceNodes: inside })].map((guest) =>
            gapOf(configured(config, guest, { unprivileged }), on, gpus),
          );
          if (JSON.stringify(lying) !== '[]') expect(lying).toEqual(honest);
        }),
        { numRuns: 1000 },
      );
    });

    it('gives a container that claims to have a GPU none of what belongs to one', () => {
      const claims = withNodes('/dev/nvidia1');
      expect(gapOf(configured('', claims), {}, null)).toBe('PASSTHROUGH_AMBIGUOUS');
    });
  });

  it.each(['8.1.3', '8.4.1', '9.0.2', '10.0.0'])('knows that Proxmox VE %s has devN entries', (proxmoxVersion) => {
    expect(added(plan(configured('', NO_NODES), { host: { ...ONE_GPU, proxmoxVersion } }))).toHaveLength(4);
  });

  it('has the lines for a Proxmox before 8.1', async () => {
    const host = { ...ONE_GPU, proxmoxVersion: '7.4-19' };
    const failure = await failureOf(() => plan(configured('', NO_NODES), { host }));
    expect(failure.details?.split('\n').slice(0, 2)).toEqual([
      'lxc.cgroup2.devices.allow: c 195:0 rw',
      'lxc.mount.entry: /dev/nvidia0 dev/nvidia0 none bind,optional,create=file',
    ]);
    expect(failure.details).toContain('c 238:0 rw');
  });

  it('still finds missing what was not passed in the end', () => {
    const wish = desired({ passthrough: 'configure' });
    const container = configured(
      'dev0: /dev/nvidia0\ndev1: /dev/nvidiactl',
      withNodes('/dev/nvidia0', '/dev/nvidiactl'),
    );
    expect(remainingGaps(wish, hostFacts(), container).join()).toContain('/dev/nvidia-uvm');
    expect(remainingGaps(wish, hostFacts(), containerFacts())).toEqual([]);
  });
});

describe('passthrough: check', () => {
  it('plans nothing, and refuses a container without nvidia-uvm', async () => {
    const container = configured(
      'dev0: /dev/nvidia0\ndev1: /dev/nvidiactl',
      withNodes('/dev/nvidia0', '/dev/nvidiactl'),
    );
    const failure = await failureOf(() => makePlan(desired(), facts({ container })));
    expect(failure.code).toBe('CONTAINER_UVM_MISSING');
    expect(failure.remedy).toContain('pct set 901 -devN /dev/nvidia-uvm');
  });
});

describe('restart: after-change', () => {
  it('ends a plan that changes something, and makes none', () => {
    const wish = desired({ restart: 'after-change' });
    expect(makePlan(wish, facts()).actions).toEqual([]);
    const made = makePlan(wish, facts({ container: containerFacts({}, bareGuest()) }));
    expect(made.actions.at(-1)).toMatchObject({ kind: 'restart' });
    expect(made.actions.filter(({ kind }) => kind === 'restart')).toHaveLength(1);
  });

  it('is one restart, also when something is passed through', () => {
    const wish = desired({ restart: 'after-change', passthrough: 'configure' });
    const made = makePlan(wish, facts({ host: hostFacts(ONE_GPU), container: configured('', NO_NODES) }));
    expect(made.actions.map(({ kind }) => kind)).toEqual(['configure-passthrough', 'restart']);
  });
});

describe('what will not work after the next start', () => {
  const warnings = (config: string, host: Partial<HostFacts> = {}) =>
    passthroughWarnings(hostFacts(host), configured(config, guestFacts())).map(({ code, message }) => [code, message]);

  it('is an entry whose node the host has lost', () => {
    const [[code, message] = []] = warnings('dev5: /dev/nvidia-uvm,gid=44', ONE_GPU).concat(
      warnings('dev5: /dev/nvidia1', ONE_GPU),
    );
    expect(code).toBe('HOST_GPU_NODES_MISSING');
    expect(message).toContain('dev5 passes /dev/nvidia1');
  });

  it('is a node of raw lines whose number no rule covers any more', () => {
    const raw = (rule: string) => `${rule}\nlxc.mount.entry: /dev/nvidia-uvm dev/nvidia-uvm none bind,optional`;
    const [[code, message] = []] = warnings(raw('lxc.cgroup2.devices.allow: c 243:* rwm'));
    expect(code).toBe('CONTAINER_GPU_NODE_STALE');
    expect(message).toContain('238:0');
    expect(warnings(raw('lxc.cgroup2.devices.allow: c 238:* rwm'))).toEqual([]);
    expect(warnings(raw('lxc.cgroup.devices.allow: a'))).toEqual([]);
    expect(warnings(raw('dev0: /dev/nvidia-uvm'))).toEqual([]);
  });

  it.each([
    ['c 195:* rwm', 'rwm', true],
    ['c 195:255 rw', 'rw', true],
    ['c 195:255 rw', 'rwm', false],
    ['c 195:25 rw', 'rw', false],
    ['c *:* m', 'rw', false],
    ['c *:* rwm', 'rwm', true],
    ['b 195:255 rw', 'rw', false],
    ['a', 'rwm', true],
    ['a *:* rwm', 'rw', true],
    ['allow', 'rw', false],
    ['', 'rw', false],
  ])('the rule %j with %s: %s', (rule, access, covered) => {
    expect(allows(rule, { path: '/dev/nvidiactl', major: 195, minor: 255 }, access)).toBe(covered);
  });
});
