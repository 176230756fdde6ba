import { describe, expect, it } from 'vitest';
import { HOST_FINDINGS } from '../../../src/diagnosis/host.ts';
import type { GpuHealth, HostHealth } from '../../../src/facts/facts.ts';
import { hostFindings } from '../../../src/verify/findings.ts';
import { DRIVER, GPU0, hostFacts, hostHealth } from '../helpers/facts.ts';

const gpu = (changes: Partial<GpuHealth>): Partial<HostHealth> => ({
  gpus: (hostHealth().gpus ?? []).map((known) => (known.uuid === GPU0 ? { ...known, ...changes } : known)),
});
const xids = (...codes: number[]): Partial<HostHealth> => ({
  xids: codes.map((code) => ({ bus: '0000:00:06', code })),
});

/** In the table's order. */
const CASES: [Partial<HostHealth>, string, string][] = [
  [
    { installedDriver: '580.142' },
    'HOST_DRIVER_PENDING',
    `loads driver 580.142: every container with ${DRIVER} breaks`,
  ],
  [{ smiHangs: true }, 'GPU_HANGS', 'hangs'],
  [xids(79), 'GPU_LOST', '0000:00:06 fell off the bus'],
  [gpu({ eccErrors: { volatile: 3, aggregate: 9 } }), 'GPU_ECC_ERROR', `${GPU0} had 3 errors`],
  [xids(31, 13, 31), 'GPU_XID', "3 errors into the kernel's log since it started (Xid 13, 31)"],
  [gpu({ computeMode: 'Exclusive_Process' }), 'GPU_BUSY', 'Exclusive_Process'],
];

describe('hostFindings', () => {
  it.each(CASES)('%o: %s', (health, code, words) => {
    const found = hostFindings(hostFacts({ health: hostHealth(health) }));
    expect(found.map((finding) => finding.code)).toEqual([code]);
    expect(found[0]?.message).toContain(words);
    expect(found[0]?.message).toContain('Host pve1: ');
  });

  it('has a case for every row', () => {
    expect(CASES.map(([, code]) => code)).toEqual(HOST_FINDINGS.map(({ code }) => code));
  });

  it('tells all that apply', () => {
    const health = hostHealth({ ...xids(48, 79, 31), installedDriver: '580.142' });
    expect(hostFindings(hostFacts({ health })).map(({ code }) => code)).toEqual([
      'HOST_DRIVER_PENDING',
      'GPU_LOST',
      'GPU_ECC_ERROR',
      'GPU_XID',
    ]);
  });

  it.each<[string, HostHealth | null]>([
    ['a healthy host', hostHealth()],
    ['one of which nothing is known', null],
    ['one that tells nothing', { installedDriver: null, xids: null, smiHangs: false, gpus: null }],
    ['old errors that were corrected by a reset', hostHealth(gpu({ eccErrors: { volatile: 0, aggregate: 9 } }))],
  ])('has nothing to say of %s', (_what, health) => {
    expect(hostFindings(hostFacts({ health }))).toEqual([]);
  });
});
