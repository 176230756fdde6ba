import { ActionError } from '../../../src/errors.ts';

/** The ActionError that `work` throws; anything else that happens fails the test. */
export async function failureOf(work: () => unknown): Promise<ActionError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof ActionError) return error;
    throw error;
  }
  throw new Error('expected an ActionError, but nothing was thrown');
}
