import { describe, expect, it } from 'vitest';
import { diagnose } from '../../../src/diagnosis/cause.ts';
import { GPU_CAUSES, type GpuEvidence, type GpuSymptom, NODE_CAUSES } from '../../../src/diagnosis/gpu.ts';
import type { ContainerFacts, GuestFacts, HostFacts } from '../../../src/facts/facts.ts';
import { containerFacts, guestFacts, hostFacts, hostHealth, NO_USER_SPACE, userSpace } from '../helpers/facts.ts';
import { type RecordedContainer, recordedCases, recordedContainers } from '../helpers/fixtures.ts';
import { recordedNodes, recordedPassedGpus } from '../helpers/recorded-containers.ts';

interface Situation {
  host?: Partial<HostFacts>;
  container?: Partial<ContainerFacts>;
  guest?: Partial<GuestFacts>;
}

function evidence(symptom: GpuSymptom, { host, container, guest }: Situation = {}): GpuEvidence {
  const inside = guestFacts(guest);
  return { symptom, host: hostFacts(host), container: containerFacts(container, inside), guest: inside };
}
const codeOf = (symptom: GpuSymptom, situation?: Situation) =>
  diagnose(GPU_CAUSES, evidence(symptom, situation), 901)?.code ?? null;

const smi = (exitCode: number, output = ''): GpuSymptom => ({ kind: 'nvidia-smi', exitCode, output });
const cuda = (error: number | 'no-library'): GpuSymptom => ({ kind: 'cuda', error });

const healthyNodes = () => guestFacts().deviceNodes;
const without = (...paths: string[]): Situation => ({
  guest: { deviceNodes: healthyNodes().filter(({ path }) => !paths.includes(path)) },
});
const changed = (path: string, change: Partial<GuestFacts['deviceNodes'][number]>): Situation => ({
  guest: { deviceNodes: healthyNodes().map((node) => (node.path === path ? { ...node, ...change } : node)) },
});

describe('the recorded cases of one GPU', () => {
  /** What was done to the nodes in a case, as facts; its symptoms, and the code of their cause. */
  const overlaid = (path: string) => changed(path, { major: 1, minor: 3 });
  const expected: Record<string, [GpuSymptom, Situation, string | null][]> = {
    badfield: [[smi(2), {}, null]],
    badid: [[smi(6), {}, null]],
    badopt: [[smi(255, 'ERROR: Option --nonsense is not recognized.'), {}, null]],
    cuda_mismatch: [[cuda(35), { guest: userSpace('550.163.01') }, 'VERIFY_USER_SPACE']],
    nouvm: [[cuda(999), overlaid('/dev/nvidia-uvm'), 'CONTAINER_GPU_NODE_STALE']],
    noctl: [[smi(17), overlaid('/dev/nvidiactl'), 'CONTAINER_GPU_NODE_STALE']],
    nogpu0: [
      [smi(6), overlaid('/dev/nvidia0'), 'CONTAINER_GPU_NODE_STALE'],
      [cuda(100), overlaid('/dev/nvidia0'), 'CONTAINER_GPU_NODE_STALE'],
    ],
    noperm: [[smi(4), {}, 'CONTAINER_GPU_NODE_DENIED']],
    mismatch550: [[smi(18), { guest: userSpace('550.163.01') }, 'VERIFY_USER_SPACE']],
    mismatch_q: [[smi(18), {}, 'VERIFY_USER_SPACE']],
    mismatch_L: [[smi(18), {}, 'VERIFY_USER_SPACE']],
    mismatch_v: [[smi(18), {}, 'VERIFY_USER_SPACE']],
    nolib: [[smi(12), { guest: NO_USER_SPACE }, 'VERIFY_USER_SPACE']],
  };
  const failing = recordedCases().filter(({ exit, innerExits }) => exit !== 0 || innerExits.some((code) => code !== 0));

  it('are all here', () => {
    expect(failing.map((recorded) => recorded.case).sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(failing)('$case: $command', (recorded) => {
    for (const [symptom, situation, code] of expected[recorded.case] ?? []) {
      const number = symptom.kind === 'nvidia-smi' ? symptom.exitCode : symptom.kind === 'cuda' ? symptom.error : '';
      const seen = `${[recorded.exit, ...recorded.innerExits].join()} ${recorded.stdout}`;
      expect(seen).toMatch(new RegExp(`\\b${number}\\b`));
      expect(codeOf(symptom, situation)).toBe(code);
    }
  });
});

describe('the recorded containers', () => {
  /** The code of what nvidia-smi's query and the CUDA probe showed; null: they worked. */
  const expected: Record<string, [string | null, string | null]> = {
    901: [null, null],
    902: [null, null],
    903: [null, null],
    904: [null, null],
    905: ['CONTAINER_GPU_NODE_DENIED', 'CONTAINER_GPU_NODE_DENIED'],
    906: [null, 'CONTAINER_GPU_NODE_DENIED'],
    907: [null, null],
    908: [null, null],
    911: [null, null],
    912: [null, null],
    913: [null, 'CONTAINER_UVM_MISSING'],
    914: ['CONTAINER_GPU_NODES_MISSING', 'CONTAINER_GPU_NODES_MISSING'],
    915: ['CONTAINER_GPU_NODE_DENIED', 'CONTAINER_GPU_NODE_DENIED'],
    917: ['CONTAINER_GPU_NODES_MISSING', 'CONTAINER_GPU_NODES_MISSING'],
    918: [null, 'CONTAINER_GPU_NODE_STALE'],
  };
  const situation = (recorded: RecordedContainer, guest: Partial<GuestFacts> = {}): Situation => ({
    container: {
      ctid: Number(recorded.container),
      unprivileged: recorded.kind === 'unprivileged',
      passedGpus: recordedPassedGpus(recorded),
    },
    guest: { deviceNodes: recordedNodes(recorded), ...guest },
  });
  const symptomOf = ({ run, exit, stdout }: RecordedContainer['runs'][number]): GpuSymptom => {
    if (!run.endsWith('cuda')) return smi(exit, stdout);
    const error = /cuInit (\d+)/.exec(stdout)?.[1];
    return cuda(error === undefined ? 'no-library' : Number(error));
  };
  const codeOfRun = (recorded: RecordedContainer, name: string, guest?: Partial<GuestFacts>) => {
    const run = recorded.runs.find((candidate) => candidate.run === name);
    if (run === undefined) throw new Error(`no run ${name}`);
    return run.exit === 0 ? null : codeOf(symptomOf(run), situation(recorded, guest));
  };

  it('are all here', () => {
    expect(recordedContainers().map(({ container }) => container)).toEqual(Object.keys(expected));
  });

  it.each(recordedContainers())('$container ($kind, $what)', (recorded) => {
    expect([codeOfRun(recorded, 'query'), codeOfRun(recorded, 'cuda')]).toEqual(expected[recorded.container]);
  });

  it.each(recordedContainers().filter(({ runs }) => runs.some(({ run }) => run === 'mismatch-smi')))(
    '$container with libraries of another version, and with none',
    (recorded) => {
      for (const [kind, guest] of [
        ['mismatch', userSpace('550.163.01')],
        ['nolib', NO_USER_SPACE],
      ] as const) {
        expect(codeOfRun(recorded, `${kind}-smi`, guest)).toBe('VERIFY_USER_SPACE');
        expect(codeOfRun(recorded, `${kind}-cuda`, guest)).toBe('VERIFY_USER_SPACE');
      }
    },
  );
});

const gpuHealth = (change: Partial<NonNullable<ReturnType<typeof hostHealth>['gpus']>[number]>) =>
  hostHealth({ gpus: (hostHealth().gpus ?? []).map((gpu) => ({ ...gpu, ...change })) });

/** Everything else, in words: symptom, facts, and the text of the cause. */
const OTHERS: [GpuSymptom, Situation, string, RegExp][] = [
  [smi(9), { host: { driver: null } }, 'HOST_DRIVER_NOT_LOADED', /no NVIDIA kernel module/],
  [smi(15), {}, 'GPU_LOST', /fell off/],
  [smi(255, 'Unable to determine the device handle for GPU 0000:07:00.0: Unknown Error'), {}, 'GPU_LOST', /fell off/],
  [
    smi(6),
    { host: { health: hostHealth({ xids: [{ bus: '0000:00:07', code: 79 }] }) } },
    'GPU_LOST',
    /0000:00:07 .*Xid 79/,
  ],
  [smi(124), {}, 'GPU_HANGS', /hangs/],
  [smi(16), {}, 'GPU_RESET_REQUIRED', /reset/],
  [
    smi(16, 'Unable to determine the device handle for GPU0000:07:00.0: GPU requires reset'),
    {},
    'GPU_RESET_REQUIRED',
    /reset/,
  ],
  [cuda('no-library'), { guest: NO_USER_SPACE }, 'VERIFY_USER_SPACE', /not installed/],
  [cuda(803), {}, 'VERIFY_USER_SPACE', /differ/],
  [cuda(34), {}, 'VERIFY_USER_SPACE', /stub/],
  [smi(17), {}, 'CONTAINER_GPU_NODE_STALE', /not the device/],
  [smi(255, 'Failed to initialize NVML: Unknown Error'), {}, 'CONTAINER_GPU_NODE_DENIED', /cgroup denies a GPU node/],
  [smi(4), changed('/dev/nvidia1', { open: 'EACCES' }), 'CONTAINER_GPU_NODE_DENIED', /mode or owner .*\/dev\/nvidia1/],
  [smi(9), without('/dev/nvidiactl'), 'CONTAINER_GPU_NODES_MISSING', /no \/dev\/nvidiactl/],
  [
    cuda(999),
    { ...without('/dev/nvidia-uvm'), host: { deviceNodes: [] } },
    'HOST_UVM_MISSING',
    /host has no \/dev\/nvidia-uvm/,
  ],
  [cuda(999), without('/dev/nvidia-uvm'), 'CONTAINER_UVM_MISSING', /container has no \/dev\/nvidia-uvm/],
  [cuda(100), { host: { health: gpuHealth({ mig: true }) } }, 'GPU_MIG_UNCONFIGURED', /MIG/],
  [cuda(46), {}, 'GPU_BUSY', /exclusive/],
  [cuda(2), {}, 'GPU_BUSY', /memory/],
  [cuda(214), {}, 'GPU_ECC_ERROR', /corrected/],
  [cuda(802), {}, 'GPU_FABRIC_NOT_READY', /fabric/],
  [cuda(35), {}, 'CUDA_NEEDS_NEWER_DRIVER', /older than the toolkit/],
];

describe('a GPU that can not be used', () => {
  it.each(OTHERS)('%o with %o: %s', (symptom, situation, code, words) => {
    const found = diagnose(GPU_CAUSES, evidence(symptom, situation), 901);
    expect(found?.code).toBe(code);
    expect(found?.cause).toMatch(words);
    expect(found?.remedy).not.toContain('CTID');
  });

  it('every cause of the table is found by a symptom of its own', () => {
    const found = OTHERS.map(([symptom, situation]) =>
      GPU_CAUSES.find(({ shows }) => shows(evidence(symptom, situation)) !== false),
    );
    expect(new Set(found)).toEqual(new Set(GPU_CAUSES));
  });

  it.each<[GpuSymptom, Situation]>([
    [smi(1), {}],
    [smi(255, 'something new'), {}],
    [smi(9), {}],
    [cuda(100), {}],
    [cuda(999), {}],
    [cuda(719), without('/dev/nvidia-uvm')],
  ])('%o is put down to nothing that facts do not show', (symptom, situation) => {
    expect(codeOf(symptom, situation)).toBeNull();
  });

  it('a node that nvidia-smi does not use is not why it fails', () => {
    const denied = changed('/dev/nvidia-uvm', { open: 'EPERM', major: 511 });
    expect(codeOf(smi(9), denied)).toBeNull();
    expect(codeOf(cuda(999), denied)).toBe('CONTAINER_GPU_NODE_STALE');
  });

  it('a denied node of a GPU that is not meant for the container is not the cause', () => {
    const situation = { ...changed('/dev/nvidia0', { open: 'EPERM' }), container: { passedGpus: [1] } };
    expect(codeOf(cuda(100), situation)).toBeNull();
    expect(codeOf(cuda(100), { ...situation, container: { passedGpus: [] } })).toBe('CONTAINER_GPU_NODE_DENIED');
  });
});

describe('before anything was tried', () => {
  const untried = (situation: Situation) =>
    diagnose(NODE_CAUSES, evidence({ kind: 'untried' }, situation), 901)?.code ?? null;

  it.each<[string, Situation, string | null]>([
    ['healthy nodes', {}, null],
    ['no node', { guest: { deviceNodes: [] } }, 'CONTAINER_GPU_NODES_MISSING'],
    ['no node in a privileged container', { guest: { deviceNodes: [] }, container: { unprivileged: false } }, null],
    ['no nvidia-uvm', without('/dev/nvidia-uvm'), 'CONTAINER_UVM_MISSING'],
    [
      'no nvidia-uvm in a privileged container',
      { ...without('/dev/nvidia-uvm'), container: { unprivileged: false } },
      null,
    ],
    [
      'no nvidia-uvm on the host',
      { host: { deviceNodes: hostFacts().deviceNodes.filter(({ path }) => path !== '/dev/nvidia-uvm') } },
      'HOST_UVM_MISSING',
    ],
    ['a denied nvidia-uvm', changed('/dev/nvidia-uvm', { open: 'EPERM' }), 'CONTAINER_GPU_NODE_DENIED'],
  ])('%s', (_what, situation, code) => {
    expect(untried(situation)).toBe(code);
  });
});
