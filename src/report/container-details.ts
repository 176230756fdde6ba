import { actionTitle, safetyText } from '../plan/actions.ts';
import { CONTAINER_LIMITS } from '../system/limits.ts';
import { durationText } from '../system/text.ts';
import { code, escaped, fold, paragraph, preformatted, table, text } from './html.ts';
import { containerIdentityBlocks } from './identity.ts';
import type { ContainerResult } from './result.ts';
import { STATUS_WORDS, STEP_MARKS, VERIFICATION_MARKS } from './words.ts';

/**
 * What is planned for a container: its steps openly, because people decide by them, and in a fold all that they approve.
 *
 * @param covered with that fold
 */
export function planned({ ctid, hostname, status, plan }: ContainerResult, covered: boolean): string[] {
  if (status !== 'planned' || plan === null) return [];
  return [
    `<h3>Container ${ctid} ${text(hostname ?? '')}</h3>`,
    table(
      ['', 'Step', 'Why'],
      plan.actions.map((action, index) => [String(index + 1), text(actionTitle(action)), text(action.reason)]),
    ),
    paragraph(text(safetyText(plan.safety))),
    covered ? fold(`All that an approval of <b>${ctid}</b> covers`, containerIdentityBlocks(plan, escaped)) : '',
  ];
}

/**
 * Everything else of a container in a fold: steps with reasons, proofs with what was seen, raw outputs.
 *
 * @param raw with what nvidia-smi and nvcc print
 */
export function details(container: ContainerResult, raw: boolean): string {
  const { ctid, hostname, status, plan, actions, verifications, nvidiaSmi, nvcc } = container;
  const steps = actions.map(({ action, status, seconds }) => [
    STEP_MARKS[status],
    text(actionTitle(action)),
    text(action.reason),
    status === 'not-started' ? '–' : durationText(seconds),
  ]);
  const outputs = [
    { title: 'nvidia-smi', output: nvidiaSmi },
    { title: 'nvcc --version', output: nvcc },
  ].flatMap(({ title, output }) =>
    raw && output !== '' ? [paragraph(code(title)), preformatted(output.slice(0, CONTAINER_LIMITS.commandOutput))] : [],
  );
  const parts = [
    table(['', 'Step', 'Why', 'Took'], steps),
    plan === null || steps.length === 0 ? '' : paragraph(text(safetyText(plan.safety))),
    table(
      ['', 'Proof', 'Seen'],
      verifications.map(({ level, title, status, seen }) => [
        VERIFICATION_MARKS[status],
        `${level} ${text(title)}`,
        text(seen),
      ]),
    ),
    ...outputs,
  ].filter((part) => part !== '');
  const title = `${STATUS_WORDS[status].mark} <b>${ctid}</b> ${text(hostname ?? '')}`.trim();
  return parts.length === 0 ? '' : fold(`${title}: steps, proofs and outputs`, parts);
}
