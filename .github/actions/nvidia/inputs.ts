import { checkInputs } from '../rollout/wishes.ts';

/**
 * Puts one host's wishes where the root's action reads its inputs from. Facts are of every container of the host: a preview
 * may plan for one that isn't among the wishes yet.
 *
 * @throws Error when `mode` is missing (the root's default would be to apply) or a wish isn't one
 */
export function setInputs(environment: NodeJS.ProcessEnv): void {
  if (!environment['INPUT_MODE']) throw new Error('Input "mode" is missing.');
  const wishes = checkInputs(JSON.parse(environment['INPUT_WISHES'] || '{}'), 'Input "wishes"');
  for (const [name, value] of Object.entries(wishes)) {
    if (environment['INPUT_MODE'] === 'facts' && name === 'containers') continue;
    environment[`INPUT_${name.toUpperCase()}`] = value;
  }
}
