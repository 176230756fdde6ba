import { describe, expect, it } from 'vitest';
import type { Desired } from '../../../src/desired/desired.ts';
import type { ContainerFacts, GuestFacts, HostFacts } from '../../../src/facts/facts.ts';
import { nvccRelease, verify } from '../../../src/verify/verify.ts';
import {
  containerFacts,
  DRIVER,
  desired,
  GPU0,
  GPU1,
  guestFacts,
  hostFacts,
  installedToolkit,
  NO_USER_SPACE,
  smiQuery,
  userSpace,
} from '../helpers/facts.ts';
import { recordedCase, recordedContainers } from '../helpers/fixtures.ts';
import { cudaWorked, recordedNodes, recordedPassedGpus, recordedSmi } from '../helpers/recorded-containers.ts';

interface Situation {
  wish?: Partial<Desired>;
  gpus?: number[] | null;
  host?: Partial<HostFacts>;
  container?: Partial<ContainerFacts>;
  guest?: Partial<GuestFacts>;
}

function judge({ wish, gpus = null, host, container, guest }: Situation = {}) {
  const inside = guestFacts(guest);
  const result = verify(
    desired(wish),
    { ctid: 901, gpus },
    hostFacts(host),
    containerFacts(container, inside),
    inside,
    DRIVER,
  );
  const level = (name: string) => {
    const found = result.verifications.find((verification) => verification.level === name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  };
  return { ...result, level };
}

const smi = (exitCode: number, output: string): Partial<GuestFacts> => ({
  nvidiaSmi: { query: { exitCode, output }, table: null },
});

describe('a container that is as wanted', () => {
  it('passes on every level', () => {
    const { verifications, findings } = judge();
    expect(verifications.map(({ level, status }) => `${level} ${status}`)).toEqual([
      'L1 pass',
      'L2 pass',
      'L3 pass',
      'L4 pass',
      'L5 pass',
    ]);
    expect(findings).toEqual([]);
    for (const { failure } of verifications) expect(failure).toBeUndefined();
  });
});

describe('L1: the files', () => {
  it.each<[string, Partial<GuestFacts>, string]>([
    ['another version', userSpace('550.163.01'), '550.163.01'],
    [
      'a mixture',
      { libraries: [...userSpace(DRIVER).libraries, ...userSpace('550.163.01').libraries] },
      '550.163.01 and 580.159.04',
    ],
    ['no links', { links: NO_USER_SPACE.links }, DRIVER],
    [
      'a link elsewhere',
      { links: [...userSpace(DRIVER).links.slice(0, 1), ...userSpace('550.78').links.slice(1)] },
      DRIVER,
    ],
    ['nothing', NO_USER_SPACE, 'none'],
  ])('fail with %s', (_what, guest, seen) => {
    const found = judge({ guest }).level('L1');
    expect(found.status).toBe('fail');
    expect(found.failure?.code).toBe('VERIFY_USER_SPACE');
    expect(found.seen).toContain(seen);
    expect(found.seen).toContain(DRIVER);
  });

  it('name what is there', () => {
    expect(judge({ guest: userSpace('550.78') }).level('L1').failure?.details).toContain('libcuda.so.550.78');
  });
});

describe('L2: nvidia-smi', () => {
  it('fails when there is none', () => {
    expect(judge({ guest: { nvidiaSmi: { query: null, table: null } } }).level('L2')).toMatchObject({
      status: 'fail',
      seen: 'there is no nvidia-smi',
      failure: { code: 'VERIFY_NVIDIA_SMI' },
    });
  });

  it('fails with its exit code, meaning and words', () => {
    const { stdout } = recordedCase('mismatch_q');
    const found = judge({ guest: smi(18, stdout) }).level('L2');
    expect(found.status).toBe('fail');
    expect(found.seen).toBe('nvidia-smi ended with exit code 18: user space and kernel module differ');
    expect(found.failure?.details).toBe(stdout.trim());
  });

  it('fails when it speaks of another driver', () => {
    const found = judge({ guest: smi(0, smiQuery([GPU0, GPU1], '580.142')) }).level('L2');
    expect(found).toMatchObject({ status: 'fail', failure: { code: 'VERIFY_NVIDIA_SMI' } });
    expect(found.seen).toContain('580.142');
  });

  it.each<[string, Situation, string]>([
    ['no GPU at all', { guest: smi(0, '') }, 'sees no GPU'],
    ['no GPU although none was told', { container: { passedGpus: [] }, guest: smi(0, '') }, 'sees no GPU'],
    ['one GPU less than passed', { guest: smi(0, smiQuery([GPU0])) }, GPU1],
    [
      'one GPU less than assigned',
      { gpus: [0, 1], container: { passedGpus: [0] }, guest: smi(0, smiQuery([GPU0])) },
      GPU1,
    ],
    ['another GPU than assigned', { gpus: [1], guest: smi(0, smiQuery([GPU0])) }, GPU1],
    ['a GPU that the host does not have', { gpus: [7] }, '/dev/nvidia7'],
  ])('fails with %s', (_what, situation, seen) => {
    const found = judge(situation).level('L2');
    expect(found).toMatchObject({ status: 'fail', failure: { code: 'VERIFY_GPU_MISSING' } });
    expect(found.seen).toContain(seen);
  });

  it.each<[string, Situation, string[]]>([
    ['both as passed', {}, []],
    ['one as assigned', { gpus: [1], guest: smi(0, smiQuery([GPU1])) }, []],
    ['any where nothing tells', { container: { passedGpus: [] } }, []],
    ['one more than passed', { container: { passedGpus: [1] } }, [GPU0]],
    ['two more than assigned', { gpus: [] }, [GPU0, GPU1]],
  ])('passes with %s, and finds %j too many', (_what, situation, extra) => {
    const { level, findings } = judge(situation);
    expect(level('L2').status).toBe('pass');
    expect(findings.map(({ code }) => code)).toEqual(extra.length > 0 ? ['GPU_ISOLATION'] : []);
    for (const uuid of extra) expect(findings[0]?.message).toContain(uuid);
  });

  it('goes by the UUID alone where the host knows it: another GPU may be at the same address', () => {
    const other = 'GPU-00000000-0000-0000-0000-000000000000';
    const found = judge({ container: { passedGpus: [0] }, guest: smi(0, smiQuery([other])) }).level('L2');
    expect(found).toMatchObject({ status: 'fail', failure: { code: 'VERIFY_GPU_MISSING' } });
  });

  it('goes by the PCI address as long as the host does not know the UUID', () => {
    const gpus = hostFacts().gpus.map((gpu) => ({ ...gpu, uuid: null }));
    expect(judge({ host: { gpus } }).level('L2').status).toBe('pass');
    const missing = judge({ host: { gpus }, guest: smi(0, smiQuery([GPU0])) }).level('L2');
    expect(missing.failure?.code).toBe('VERIFY_GPU_MISSING');
    expect(missing.seen).toContain('/dev/nvidia1');
    const { findings } = judge({ gpus: [0], host: { gpus } });
    expect(findings.map(({ message }) => message).join()).toContain(GPU1);
  });
});

describe('L4: nvcc', () => {
  it('reads the recorded release', () => {
    expect(nvccRelease(recordedCase('nvcc').stdout)).toBe('13.0');
    expect(nvccRelease('nvcc: command not found')).toBeNull();
  });

  it('passes with the recorded nvcc of 13.0 where that is wanted', () => {
    const wish = { cuda: { kind: 'version', version: { major: 13, minor: 0 } } } as const;
    const guest = { toolkits: [installedToolkit('13.0', recordedCase('nvcc').stdout)] };
    expect(judge({ wish, guest }).level('L4')).toMatchObject({ status: 'pass', seen: 'nvcc is release 13.0' });
    expect(judge({ guest }).level('L4').status).toBe('fail');
  });

  it.each<[string, GuestFacts['toolkits'], string]>([
    ['is not there', [installedToolkit('12.6')], '/usr/local/cuda-12.8/bin/nvcc is not there'],
    ['fails', [{ ...installedToolkit('12.8'), nvcc: { exitCode: 127, output: 'release 12.8' } }], 'exit code 127'],
    ['says nothing of a release', [installedToolkit('12.8', 'hello')], 'unknown'],
    ['is of another release than its directory', [installedToolkit('12.8', 'release 13.0')], 'release 13.0, not 12.8'],
    ['is one of a longer number', [installedToolkit('12.8', 'release 12.80')], '12.80'],
  ])('fails when it %s', (_what, toolkits, seen) => {
    const found = judge({ guest: { toolkits } }).level('L4');
    expect(found).toMatchObject({ status: 'fail', failure: { code: 'VERIFY_NVCC' } });
    expect(found.seen).toContain(seen);
  });

  it.each<[string, Partial<Desired>]>([
    ['no toolkit is wanted', { cuda: { kind: 'none' }, verify: 'driver' }],
    ['only the driver is to be proven', { verify: 'driver' }],
  ])('is skipped, never passed, when %s', (_what, wish) => {
    expect(judge({ wish, guest: { toolkits: [] } }).level('L4').status).toBe('skipped');
  });
});

describe('L4 of parts of a toolkit', () => {
  it('is skipped where none of them brings nvcc and there is none', () => {
    const wish = { cudaPackages: ['cuda-cudart-dev'] };
    expect(judge({ wish, guest: { toolkits: [] } }).level('L4')).toMatchObject({
      status: 'skipped',
      seen: 'no nvcc in cuda-cudart-dev',
    });
    expect(judge({ wish }).level('L4').status).toBe('pass');
  });

  it('fails where one of them brings nvcc and it is not there', () => {
    const wish = { cudaPackages: ['cuda-cudart-dev', 'cuda-nvcc'] };
    expect(judge({ wish, guest: { toolkits: [] } }).level('L4').status).toBe('fail');
  });
});

describe('the recorded containers', () => {
  /** L2's status, and what it says or finds. */
  const expected: Record<string, ['pass' | 'fail', string]> = {
    901: ['pass', ''],
    902: ['pass', `${GPU0} can be used but is not meant`],
    903: ['pass', ''],
    904: ['pass', ''],
    905: ['fail', 'exit code 255: the device cgroup denies /dev/nvidia0'],
    906: ['pass', ''],
    907: ['pass', ''],
    908: ['pass', ''],
    911: ['pass', ''],
    912: ['pass', ''],
    913: ['pass', ''],
    914: ['fail', 'exit code 9: the container has no /dev/nvidiactl'],
    915: ['fail', 'exit code 255: the device cgroup denies /dev/nvidia0'],
    917: ['fail', 'exit code 9: the container has no /dev/nvidia0 (or another GPU) and no /dev/nvidiactl'],
    918: ['pass', ''],
  };
  const situation = (
    recorded: ReturnType<typeof recordedContainers>[number],
    run: 'query' | 'mismatch-smi' | 'nolib-smi',
  ) => ({
    container: {
      ctid: Number(recorded.container),
      unprivileged: recorded.kind === 'unprivileged',
      passedGpus: recordedPassedGpus(recorded),
    },
    guest: {
      deviceNodes: recordedNodes(recorded),
      nvidiaSmi: { query: recordedSmi(recorded, run), table: null },
    },
  });

  it('are all here', () => {
    expect(recordedContainers().map(({ container }) => container)).toEqual(Object.keys(expected));
  });

  it.each(recordedContainers())('$container ($kind, $what)', (recorded) => {
    const { level, findings } = judge(situation(recorded, 'query'));
    const [status, words] = expected[recorded.container] ?? [];
    expect(level('L2').status).toBe(status);
    if (status === 'fail') expect(level('L2').seen).toContain(words);
    else expect(findings.map(({ message }) => message).join()).toContain(words);
    if (words === '') expect(findings).toEqual([]);
  });

  it.each(recordedContainers().filter(({ runs }) => runs.some(({ run }) => run === 'mismatch-smi')))(
    '$container with libraries of 550.163.01 is a mismatch',
    (recorded) => {
      const found = judge(situation(recorded, 'mismatch-smi')).level('L2');
      expect(found.status).toBe('fail');
      expect(found.seen).toContain('exit code 18: user space and kernel module differ');
      expect(found.failure?.details).toContain('NVML library version: 550.163');
    },
  );

  it.each(recordedContainers().filter(({ runs }) => runs.some(({ run }) => run === 'nolib-smi')))(
    '$container without libraries finds no NVML',
    (recorded) => {
      const found = judge(situation(recorded, 'nolib-smi')).level('L2');
      expect(found).toMatchObject({ status: 'fail', failure: { code: 'VERIFY_USER_SPACE' } });
      expect(found.seen).toContain('exit code 12');
    },
  );

  it('show what L2 can not: nvidia-smi passes in three containers where CUDA does not work', () => {
    const blind = recordedContainers().filter(
      (recorded) => !cudaWorked(recorded) && expected[recorded.container]?.[0] === 'pass',
    );
    expect(blind.map(({ container }) => container)).toEqual(['906', '913', '918']);
  });
});
