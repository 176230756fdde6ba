import { describe, expect, it } from 'vitest';
import type { Desired } from '../../../src/desired/desired.ts';
import type { ContainerFacts, Facts, GuestFacts, HostFacts, UpstreamFacts } from '../../../src/facts/facts.ts';
import type { Action } from '../../../src/plan/actions.ts';
import { actionTitle, packageText } from '../../../src/plan/actions.ts';
import { makePlan, remainingGaps, upstreamNeeds } from '../../../src/plan/plan.ts';
import { PIN_PATH, PIN_TEXT, SOURCES_PATH } from '../../../src/repository/apt-files.ts';
import {
  bareGuest,
  containerFacts,
  DRIVER,
  deepFreeze,
  desired,
  facts,
  GIB,
  guestFacts,
  hostFacts,
  installed,
  NO_UPSTREAM,
  runfileFacts,
  upstreamFacts,
  userSpace,
} from '../helpers/facts.ts';
import { failureOf } from '../helpers/failure.ts';

/** The plan for a container with the given inside. */
function planFor(
  guest: GuestFacts,
  wish: Partial<Desired> = {},
  upstream: Partial<UpstreamFacts> = {},
  container: Partial<ContainerFacts> = {},
  host: Partial<HostFacts> = {},
) {
  const all: Facts = {
    host: hostFacts(host),
    container: containerFacts(container, guest),
    upstream: upstreamFacts(upstream),
  };
  return makePlan(desired(wish), all);
}

function actionOf<K extends Action['kind']>(actions: readonly Action[], kind: K): Extract<Action, { kind: K }> {
  const found = actions.find((action): action is Extract<Action, { kind: K }> => action.kind === kind);
  if (found === undefined) throw new Error(`no action ${kind}`);
  return found;
}

const decoded = (content: string) => Buffer.from(content, 'base64').toString();

describe('a container that is as wanted', () => {
  it('gets an empty plan without anything from the web', () => {
    const all = facts({ upstream: NO_UPSTREAM });
    expect(makePlan(desired(), all)).toEqual({
      ctid: 901,
      found: { distribution: 'debian 12', userSpace: DRIVER },
      actions: [],
      safety: { kind: 'none', why: 'nothing is to be done' },
      warnings: [],
    });
    expect(upstreamNeeds(desired(), all.host, all.container)).toEqual({ driver: null, repositories: [] });
    expect(remainingGaps(desired(), all.host, all.container)).toEqual([]);
  });
});

describe('a container whose sources are in place', () => {
  it('fetches the package lists before the first installation: they may be old, or cleaned away', () => {
    const guest = guestFacts({
      packages: guestFacts().packages.filter(({ name }) => !['kmod', 'cuda-toolkit-12-8'].includes(name)),
    });
    const updates = planFor(guest).actions.flatMap((action) =>
      action.kind === 'install-packages' ? [[action.purpose, action.update]] : [],
    );
    expect(updates).toEqual([
      ['prerequisites', true],
      ['toolkit', false],
    ]);
  });
});

describe('a bare container', () => {
  const { actions, warnings } = planFor(bareGuest());

  it('gets every action in the order in which they build on each other', () => {
    expect(actions.map(({ kind }) => kind)).toEqual([
      'configure-apt',
      'install-packages',
      'install-driver',
      'install-packages',
    ]);
    expect(warnings).toEqual([]);
  });

  it('fetches package lists once: with the sources, not again for each installation', () => {
    const updates = actions.flatMap((action) => (action.kind === 'install-packages' ? [action.update] : []));
    expect(updates).toEqual([false, false]);
  });

  it('gets a reason with each', () => {
    expect(actions.map(({ reason }) => reason)).toEqual([
      expect.stringContaining("NVIDIA's repositories are not set up as wanted"),
      'not installed: kmod, ca-certificates, gnupg, curl, wget, build-essential, libnvidia-container1',
      `no user space is installed, the host's driver is ${DRIVER}`,
      'not installed: cuda-toolkit-12-8',
    ]);
  });

  it('gets pin and keys before certificates, and the sources after them', () => {
    const apt = actionOf(actions, 'configure-apt');
    expect(apt.before).toEqual([
      { kind: 'write', path: PIN_PATH, content: Buffer.from(PIN_TEXT).toString('base64') },
      { kind: 'write', path: '/etc/apt/keyrings/proxmox-lxc-nvidia-cuda.gpg', content: 'Y3VkYQ==' },
      { kind: 'write', path: '/etc/apt/keyrings/proxmox-lxc-nvidia-container.gpg', content: 'Y29udGFpbmVy' },
    ]);
    expect(apt.installCertificates).toBe(true);
    expect(apt.after).toMatchObject([{ kind: 'write', path: SOURCES_PATH }]);
    const [sources] = apt.after;
    expect(sources?.kind === 'write' && decoded(sources.content)).toContain(
      'URIs: https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/\n',
    );
  });

  it('gets packages of NVIDIA in exactly the version that the repository has', () => {
    expect(actions[1]).toMatchObject({
      purpose: 'prerequisites',
      packages: expect.arrayContaining([
        { name: 'kmod', version: null },
        { name: 'libnvidia-container1', version: '1.19.1-1' },
      ]),
    });
    expect(actions[3]).toMatchObject({
      purpose: 'toolkit',
      packages: [{ name: 'cuda-toolkit-12-8', version: '12.8.1-1' }],
      size: { download: GIB + 2048, installed: 2 * GIB + 4096 },
    });
  });

  it("gets the host's driver from the runfile that was found", () => {
    const { sha256, size, url } = runfileFacts();
    expect(actionOf(actions, 'install-driver')).toMatchObject({
      version: DRIVER,
      runfile: { url, sha256, size },
      directory: '/var/tmp',
      flags: expect.arrayContaining(['--silent', '--no-kernel-module', '--no-systemd']),
    });
  });

  it('needs runfile and both repositories from the web', () => {
    const needs = upstreamNeeds(desired(), hostFacts(), containerFacts({}, bareGuest()));
    expect(needs.driver).toBe(DRIVER);
    expect(needs.repositories.map(({ name }) => name)).toEqual(['cuda', 'nvidia-container']);
  });
});

describe('what a plan holds', () => {
  const without = (name: string) =>
    guestFacts({ packages: guestFacts().packages.filter((entry) => entry.name !== name) });

  it.each<[string, GuestFacts, Partial<Desired>, string[], string | null, string[]]>([
    ['an old driver', guestFacts(userSpace('550.163.01')), {}, ['install-driver'], DRIVER, []],
    [
      'a driver of apt',
      guestFacts({ packages: [...guestFacts().packages, installed('libcuda1'), installed('nvidia-smi')] }),
      {},
      ['remove-packages', 'install-driver'],
      DRIVER,
      [],
    ],
    ['no toolkit', without('cuda-toolkit-12-8'), {}, ['install-packages'], null, ['cuda']],
    ['no kmod', without('kmod'), {}, ['install-packages'], null, []],
    ['no libnvidia-container1', without('libnvidia-container1'), {}, ['install-packages'], null, ['nvidia-container']],
    ['no pin', guestFacts({ aptPin: null }), {}, ['configure-apt'], null, ['cuda', 'nvidia-container']],
    [
      'sources that are wanted no more',
      guestFacts(),
      { cuda: { kind: 'none' }, nvidiaContainer: 'none' },
      ['configure-apt'],
      null,
      [],
    ],
    [
      'a wish for the driver alone',
      bareGuest({ certificates: true, packages: guestFacts().packages, aptPin: PIN_TEXT }),
      { cuda: { kind: 'none' }, nvidiaContainer: 'none' },
      ['install-driver'],
      DRIVER,
      [],
    ],
  ])('for %s', (_what, guest, wish, kinds, driver, repositories) => {
    expect(planFor(guest, wish).actions.map(({ kind }) => kind)).toEqual(kinds);
    const needs = upstreamNeeds(desired(wish), hostFacts(), containerFacts({}, guest));
    expect(needs.driver).toBe(driver);
    expect(needs.repositories.map(({ name }) => name)).toEqual(repositories);
    expect(remainingGaps(desired(wish), hostFacts(), containerFacts({}, guest))).not.toEqual([]);
  });

  it('removes driver packages before the runfile comes, after the prerequisites', () => {
    const native = installed('libcuda1', '550.163.01-1');
    const foreign = { ...native, architecture: 'i386' };
    const data = { ...installed('nvidia-smi'), architecture: 'all' };
    const { actions } = planFor(bareGuest({ packages: [native, foreign, data] }));
    expect(actions.map(({ kind }) => kind)).toEqual([
      'configure-apt',
      'install-packages',
      'remove-packages',
      'install-driver',
      'install-packages',
    ]);
    expect(actionOf(actions, 'remove-packages')).toEqual({
      kind: 'remove-packages',
      reason: 'they own driver files, which must come from the runfile: libcuda1:amd64, libcuda1:i386, nvidia-smi',
      packages: ['libcuda1:amd64', 'libcuda1:i386', 'nvidia-smi'],
    });
  });

  it('puts whole files aside, disables single lines and refuses a mixed deb822 file', async () => {
    const cuda = 'https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/';
    const file = (path: string, text: string) =>
      guestFacts({ aptSources: [...guestFacts().aptSources, { path, text }] });
    const firstChanges = (guest: GuestFacts) => actionOf(planFor(guest).actions, 'configure-apt').before;
    expect(firstChanges(file('/etc/apt/sources.list.d/cuda.list', `deb ${cuda} /\n`))).toContainEqual({
      kind: 'put-aside',
      path: '/etc/apt/sources.list.d/cuda.list',
    });
    const lines = firstChanges(
      file('/etc/apt/sources.list.d/all.list', `deb http://m.example/d x y\ndeb ${cuda} /\n`),
    )[1];
    expect(lines?.kind === 'write' && decoded(lines.content)).toBe(
      `deb http://m.example/d x y\n# disabled by proxmox-lxc-nvidia: deb ${cuda} /\n`,
    );
    const mixed = file('/etc/apt/sources.list.d/all.sources', `URIs: http://m.example/d\n\nURIs: ${cuda}\n`);
    const failure = await failureOf(() => planFor(mixed));
    expect(failure.code).toBe('CONTAINER_REPOSITORY_CONFLICT');
    expect(failure.message).toContain('/etc/apt/sources.list.d/all.sources');
  });

  it('puts our own sources aside where none are wanted', () => {
    const { actions } = planFor(guestFacts(), { cuda: { kind: 'none' }, nvidiaContainer: 'none' });
    expect(actionOf(actions, 'configure-apt').after).toEqual([{ kind: 'put-aside', path: SOURCES_PATH }]);
  });

  it('works where programs may run', () => {
    const guest = bareGuest({
      space: bareGuest().space.map((space) => (space.path === '/var/tmp' ? { ...space, executable: false } : space)),
    });
    expect(actionOf(planFor(guest).actions, 'install-driver').directory).toBe('/root');
  });
});

describe('parts of a toolkit', () => {
  const cuda = (...names: string[]) => {
    const entry = (name: string, depends: string[] = []) => ({
      name,
      version: '12.8.1-1',
      downloadSize: 10,
      installedSize: 20,
      depends,
    });
    const packages = [
      entry('cuda-nvcc-12-8', ['cuda-crt-12-8']),
      entry('cuda-crt-12-8'),
      entry('cuda-cudart-dev-12-8', ['cuda-crt-12-8']),
      entry('cuda-runtime-12-8', ['cuda-drivers']),
      entry('cuda-drivers'),
      ...names.map((name) => entry(name)),
    ];
    return { cuda: { keyring: '', fingerprints: [], packages } };
  };

  it('are installed together, sized with what they need, each package once', () => {
    const cudaPackages = ['cuda-nvcc', 'cuda-cudart-dev'];
    const { actions } = planFor(guestFacts({ packages: guestFacts().packages.slice(0, -1) }), { cudaPackages }, cuda());
    expect(actions).toMatchObject([
      {
        kind: 'install-packages',
        reason: 'not installed: cuda-nvcc-12-8, cuda-cudart-dev-12-8',
        packages: [
          { name: 'cuda-nvcc-12-8', version: '12.8.1-1' },
          { name: 'cuda-cudart-dev-12-8', version: '12.8.1-1' },
        ],
        size: { download: 30, installed: 60 },
      },
    ]);
  });

  it('that are there already are left out', () => {
    const guest = guestFacts({ packages: [...guestFacts().packages, installed('cuda-nvcc-12-8')] });
    const { actions } = planFor(guest, { cudaPackages: ['cuda-nvcc', 'cuda-cudart-dev'] }, cuda());
    expect(actions).toMatchObject([{ packages: [{ name: 'cuda-cudart-dev-12-8' }] }]);
    expect(planFor(guest, { cudaPackages: ['cuda-nvcc'] }, NO_UPSTREAM).actions).toEqual([]);
  });

  it('are refused where they would bring a driver', async () => {
    const failure = await failureOf(() => planFor(guestFacts(), { cudaPackages: ['cuda-runtime'] }, cuda()));
    expect(failure.code).toBe('APT_DRIVER_PULLED');
    expect(failure.seen).toContain('cuda-runtime-12-8 would bring cuda-drivers');
  });

  it('that the repository does not have are refused, naming those it has', async () => {
    const failure = await failureOf(() => planFor(guestFacts(), { cudaPackages: ['nvcc'] }, cuda()));
    expect(failure.code).toBe('TOOLKIT_NOT_AVAILABLE');
    expect(failure.seen).toContain('has no nvcc-12-8');
    expect(failure.remedy).toBe(
      '"cuda-packages" can be of that version: cuda-crt, cuda-cudart-dev, cuda-nvcc, cuda-runtime.',
    );
  });
});

describe('what a plan refuses', () => {
  it('a toolkit that the repository does not have, naming those it has, oldest first', async () => {
    const failure = await failureOf(() =>
      planFor(bareGuest(), { cuda: { kind: 'version', version: { major: 11, minor: 8 } } }),
    );
    expect(failure.code).toBe('TOOLKIT_NOT_AVAILABLE');
    expect(failure.message).toContain('cuda-toolkit-11-8');
    expect(failure.remedy).toBe('It has: 12.6, 12.8, 13.0.');
  });

  it('a repository without any toolkit', async () => {
    const upstream = upstreamFacts();
    const cuda = { ...(upstream.cuda ?? { keyring: '', fingerprints: [] }), packages: [] };
    const failure = await failureOf(() => planFor(bareGuest(), {}, { cuda }));
    expect(failure.code).toBe('TOOLKIT_NOT_AVAILABLE');
    expect(failure.remedy).toContain('cuda-repository');
  });

  it('a container package that the repository does not have', async () => {
    const upstream = upstreamFacts();
    const nvidiaContainer = { ...(upstream.nvidiaContainer ?? { keyring: '', fingerprints: [] }), packages: [] };
    const failure = await failureOf(() => planFor(bareGuest(), {}, { nvidiaContainer }));
    expect(failure.message).toContain('libnvidia-container1');
  });

  it('a container without room for all of it', async () => {
    const space = bareGuest().space.map((entry) => ({ ...entry, freeBytes: 5 * GIB }));
    const failure = await failureOf(() => planFor(bareGuest({ space })));
    expect(failure.code).toBe('CONTAINER_SPACE');
    for (const part of ["driver's files", 'installed driver', 'cuda-toolkit-12-8'])
      expect(failure.message).toContain(part);
    expect(planFor(guestFacts({ space })).actions).toEqual([]);
  });

  it('everything that host and container alone give reason for, without looking anything up', async () => {
    const stopped = containerFacts({ running: false });
    expect((await failureOf(() => upstreamNeeds(desired(), hostFacts(), stopped))).code).toBe('CONTAINER_STOPPED');
    const unloaded = hostFacts({ driver: null });
    expect((await failureOf(() => upstreamNeeds(desired(), unloaded, containerFacts()))).code).toBe(
      'HOST_DRIVER_NOT_LOADED',
    );
  });
});

describe('safety', () => {
  const safety = (rollback: Desired['rollback'], snapshotObstacle: string | null) =>
    planFor(bareGuest(), { rollback }, {}, { snapshotObstacle }).safety;
  const obstacle = 'mp0 is a bind or device mount (/srv)';

  it.each([
    ['auto', null, { kind: 'snapshot' }],
    ['require', null, { kind: 'snapshot' }],
    ['never', null, { kind: 'none', why: 'none is wanted' }],
    ['auto', obstacle, { kind: 'none', why: obstacle }],
    ['never', obstacle, { kind: 'none', why: 'none is wanted' }],
  ] as const)('with %s and the obstacle %j is %j', (rollback, found, expected) => {
    expect(safety(rollback, found)).toEqual(expected);
  });

  it('is refused where a snapshot is required but impossible, unless nothing is to be done', async () => {
    const failure = await failureOf(() => safety('require', obstacle));
    expect(failure.code).toBe('SNAPSHOT_IMPOSSIBLE');
    expect(failure.message).toContain(obstacle);
    const converged = planFor(guestFacts(), { rollback: 'require' }, {}, { snapshotObstacle: obstacle });
    expect(converged.safety.kind).toBe('none');
  });
});

describe('warnings', () => {
  const codes = (...args: Parameters<typeof planFor>) => planFor(...args).warnings.map(({ code }) => code);
  const noUvm = hostFacts().deviceNodes.filter(({ path }) => !path.includes('uvm'));
  const open = 'ok' as const;

  it.each<[string, string[], Parameters<typeof planFor>]>([
    ['nothing', [], [bareGuest()]],
    [
      'a toolkit newer than the driver',
      ['CUDA_LIMITED'],
      [
        guestFacts({ ...userSpace('570.26'), toolkits: [] }),
        {},
        {},
        {},
        { driver: { version: '570.26', kernelModule: 'open' } },
      ],
    ],
    ['little memory', ['LITTLE_MEMORY'], [bareGuest(), {}, {}, { memoryMib: 2047 }]],
    ['enough memory', [], [bareGuest(), {}, {}, { memoryMib: 2048 }]],
    ['little memory where no driver is installed', [], [guestFacts(), {}, {}, { memoryMib: 512 }]],
    ['a runfile without checksum', ['NO_CHECKSUM'], [bareGuest(), {}, { runfile: runfileFacts({ checksum: 'none' }) }]],
  ])('of %s are %j', (_what, expected, args) => {
    expect(codes(...args)).toEqual(expected);
  });

  it('lets a privileged container be without nvidia-uvm: the driver makes it', () => {
    const guest = guestFacts({ deviceNodes: noUvm.map((node) => ({ ...node, open })) });
    expect(codes(guest, {}, {}, { unprivileged: false })).toEqual([]);
  });

  it('shows no password of an address', () => {
    const runfile = runfileFacts({ checksum: 'none', url: 'https://me:s3cret@m.example/x.run?token=s3cret' });
    expect(JSON.stringify(planFor(bareGuest(), {}, { runfile }).warnings)).not.toContain('s3cret');
  });
});

describe('purity', () => {
  it('the same frozen facts give equal plans, which share nothing that can change', () => {
    const wish = deepFreeze(desired());
    const all = deepFreeze(facts({ container: containerFacts({}, bareGuest({ packages: [installed('libcuda1')] })) }));
    const first = makePlan(wish, all);
    expect(makePlan(wish, all)).toEqual(first);
    expect(makePlan(structuredClone(wish), structuredClone(all))).toEqual(first);
    expect(JSON.parse(JSON.stringify(first))).toEqual(first);
    expect(upstreamNeeds(wish, all.host, all.container)).toEqual(upstreamNeeds(wish, all.host, all.container));
  });

  it('a plan holds nothing that differs from run to run of the same container', () => {
    const container = containerFacts({}, bareGuest());
    const plan = makePlan(desired(), facts({ container }));
    const later = bareGuest({ space: bareGuest().space.map((space) => ({ ...space, freeBytes: 39 * GIB })) });
    expect(makePlan(desired(), facts({ container: containerFacts({}, later) }))).toEqual(plan);
  });
});

describe('titles', () => {
  it.each<[Action, string]>([
    [
      { kind: 'configure-apt', reason: '', before: [], installCertificates: false, after: [], keys: [] },
      "set up NVIDIA's repositories and keep apt from bringing a driver",
    ],
    [{ kind: 'remove-packages', reason: '', packages: ['a'] }, 'remove 1 driver package'],
    [{ kind: 'remove-packages', reason: '', packages: ['a', 'b'] }, 'remove 2 driver packages'],
    [
      {
        kind: 'install-packages',
        reason: '',
        purpose: 'toolkit',
        packages: [{ name: 'cuda-toolkit-12-8', version: '12.8.1-1' }],
        dependencies: [],
        size: { download: 3.5 * GIB, installed: 6 * GIB },
        update: false,
      },
      'install cuda-toolkit-12-8=12.8.1-1 (3.5 GiB to download, 6.0 GiB on disk)',
    ],
    [
      {
        kind: 'install-packages',
        reason: '',
        purpose: 'prerequisites',
        packages: [],
        dependencies: [],
        size: null,
        update: false,
      },
      'install prerequisites and NVIDIA container packages',
    ],
  ])('%j', (action, title) => {
    expect(actionTitle(action)).toBe(title);
  });

  it('names a package with its version where one is wanted', () => {
    expect(packageText({ name: 'kmod', version: null })).toBe('kmod');
    expect(packageText({ name: 'x', version: '1:2-3' })).toBe('x=1:2-3');
  });
});
