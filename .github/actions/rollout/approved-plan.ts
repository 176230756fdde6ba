import { readFile } from 'node:fs/promises';
import { sha256Of } from '../../../src/system/sha256.ts';
import { Refusal } from './errors.ts';

/**
 * Refuses a plan that isn't, byte for byte, the one the approvers were asked about.
 *
 * @throws Refusal
 */
export async function checkPlan(path: string, sha256: string, host: string): Promise<void> {
  const bytes = await readFile(path).catch(() => null);
  if (bytes !== null && sha256Of(bytes) === sha256) return;
  throw new Refusal(
    bytes === null
      ? `The approved plan of ${host} is no longer among the run's artifacts.`
      : `The plan of ${host} among the run's artifacts is not the one that was approved.`,
    bytes === null ? 'Run the whole rollout again.' : 'Find out who replaced it before you run anything again.',
    'PLAN_REPLACED',
  );
}
