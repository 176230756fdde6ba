import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ANY_CONTAINER,
  isPrivilegedCall,
  limitedPatternOf,
  MARKER,
  markerFor,
  PRIVILEGED_CALLS,
  sampleOf,
} from '../../../src/proxmox/privileged-calls.ts';
import { runName } from '../../../src/system/runner.ts';
import { CUT_OTHERWISE, REFUSED } from '../../lab/hostile/host-runner-user.ts';

const ALL = [...PRIVILEGED_CALLS, MARKER];
const LIMIT = '/usr/bin/timeout -k 10 5 ';

describe('the list of privileged calls', () => {
  it.each(ALL.map((call) => [sampleOf(call, 901).join(' ').slice(0, 60), call] as const))('allows %s', (_, call) => {
    for (const ctid of [100, 901, 999_999_999]) expect(isPrivilegedCall(sampleOf(call, ctid))).toBe(true);
  });

  it('takes every text for the end of exec, and nothing more anywhere else', () => {
    for (const call of ALL) {
      const sample = sampleOf(call, 901);
      const open = sample[1] === 'exec';
      fc.assert(
        fc.property(fc.string(), (text) => {
          expect(isPrivilegedCall([...sample, text])).toBe(open || (call === MARKER && /^[1-9]\d{2,8}$/.test(text)));
        }),
        { numRuns: 50 },
      );
    }
  });

  it('allows none of what sudo must refuse', () => {
    const calls = Object.entries(REFUSED).filter(([, argv]) => argv.join(' ').startsWith(LIMIT));
    expect(calls.length).toBeGreaterThan(70);
    // What is cut in wrong places is the same text, and is sudo's to tell apart from what it starts.
    for (const [what, argv] of calls) {
      if (!argv.includes('')) expect(isPrivilegedCall(argv.slice(4)), what).toBe(false);
    }
    expect(Object.keys(CUT_OTHERWISE).length).toBeGreaterThan(5);
  });

  it('allows a marker for many containers, each a container', () => {
    expect(isPrivilegedCall(markerFor([]))).toBe(true);
    expect(isPrivilegedCall(markerFor([100, 901, 999_999_999]))).toBe(true);
    expect(isPrivilegedCall(markerFor([99]))).toBe(false);
  });

  it.each([
    {},
    { GITHUB_SERVER_URL: 'https://github.com', GITHUB_REPOSITORY: 'O-1/re.po_x', GITHUB_RUN_ID: '12345678901' },
    { GITHUB_SERVER_URL: 'https://GHE.example.com:8443', GITHUB_REPOSITORY: 'o/r', GITHUB_RUN_ID: '1' },
    { GITHUB_SERVER_URL: 'http://ghe', GITHUB_REPOSITORY: 'o/r', GITHUB_RUN_ID: '1' },
  ])('takes every name of a run for a snapshot: %j', (environment) => {
    const description = `proxmox-lxc-nvidia: ${runName(environment)}`;
    const call = ['snapshot', '901', 'nvidia-0123abcd', '--description', description];
    expect(isPrivilegedCall(['/usr/sbin/pct', ...call])).toBe(true);
  });

  it('means the same to sudo and to JavaScript, and is plain to sudoers', () => {
    for (const call of ALL) {
      const pattern = limitedPatternOf(call);
      // A backslash and a # have a meaning of their own there; \d, lookahead and the like none in POSIX.
      expect(pattern).not.toMatch(/[\\#"]|\(\?|\n| {2}/);
      expect(pattern).toMatch(/^\^-k 10 .*\$$/);
    }
  });

  it('has room for a list of ids: sudo ignores a pattern of more than 1,024 characters', () => {
    const ids = Array.from({ length: 170 }, (_, index) => 100 + index);
    const lengths = ALL.map((call) => limitedPatternOf(call).replaceAll(ANY_CONTAINER, `(${ids.join('|')})`).length);
    expect(Math.max(...lengths)).toBeLessThan(1024);
    // The marker's is the first to be too long: what it allows is allowed.
    expect(lengths.at(-1)).toBe(Math.max(...lengths));
    for (const call of ALL) expect(limitedPatternOf(call).split(ANY_CONTAINER).length).toBeLessThanOrEqual(2);
  });
});
