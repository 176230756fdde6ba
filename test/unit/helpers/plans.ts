import type { Identified } from '../../../src/plan/identity.ts';
import { makePlan } from '../../../src/plan/plan.ts';
import { bareGuest, containerFacts, DRIVER, desired, facts } from './facts.ts';

/** The plan for container 901 with nothing in it yet: every kind of action but removing packages. */
export const BARE_PART = makePlan(desired(), facts({ container: containerFacts({}, bareGuest()) }));

/** What identifies a plan for containers 901 and 902 with nothing in them yet. Shares nothing: a test may change any part. */
export function identified(): Identified {
  return {
    schema: '1.0',
    action: '0.1.0',
    host: { node: 'pve1', architecture: 'x86_64', driver: DRIVER },
    wish: {
      cuda: '12.8',
      cudaPackages: ['cuda-toolkit'],
      nvidiaContainer: 'library',
      verify: 'toolkit',
      rollback: 'auto',
    },
    containers: [structuredClone(BARE_PART), structuredClone({ ...BARE_PART, ctid: 902 })],
  };
}
