import type { ActionRecord } from '../apply/apply.ts';
import type { VerificationStatus } from '../verify/verify.ts';
import type { ContainerStatus } from './result.ts';

/** How one verification ended, as a mark. */
export const VERIFICATION_MARKS: Record<VerificationStatus, string> = {
  pass: '✅',
  fail: '❌',
  inconclusive: '❔',
  skipped: '➖',
};

/** How one step ended, as a mark. */
export const STEP_MARKS: Record<ActionRecord['status'], string> = { done: '✅', failed: '❌', 'not-started': '⏹️' };

/** A container's end: its mark, and the words of "2 to change, 3 in order", in the order in which they are told. */
export const STATUS_WORDS: Record<ContainerStatus, { mark: string; words: string }> = {
  failed: { mark: '❌', words: 'failed' },
  drifted: { mark: '⚠️', words: 'drifted' },
  aborted: { mark: '⏹️', words: 'not started' },
  planned: { mark: '📝', words: 'to change' },
  changed: { mark: '✅', words: 'changed' },
  converged: { mark: '✅', words: 'in order' },
  observed: { mark: '👁️', words: 'observed' },
};
