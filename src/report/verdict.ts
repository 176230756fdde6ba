import { durationText } from '../system/text.ts';
import { code, paragraph, text } from './html.ts';
import { type ContainerStatus, firstFailure, type RunResult } from './result.ts';
import { STATUS_WORDS } from './words.ts';

const MARKS: Record<RunResult['status'], string> = {
  failed: '❌',
  planned: '📝',
  changed: '✅',
  converged: '✅',
  observed: '👁️',
};

/** What happened, in one line: the mark, the failure if there is one, and how many containers ended how. */
export function verdict(result: RunResult): string {
  const failure = firstFailure(result);
  const reason = failure === null ? '' : `${failure.code}: `;
  return `## ${MARKS[result.status]} ${reason}${counts(result) || 'nothing was touched'}`;
}

/** `2 to change, 3 in order`; a container that is alone is named. */
function counts({ containers }: RunResult): string {
  const [only] = containers;
  if (only !== undefined && containers.length === 1) {
    const back = only.rolledBack ? ', rolled back' : '';
    return `container ${only.ctid} ${STATUS_WORDS[only.status].words}${back}`;
  }
  return (Object.keys(STATUS_WORDS) as ContainerStatus[])
    .flatMap((status) => {
      const count = containers.filter((container) => container.status === status).length;
      return count === 0 ? [] : [`${count} ${STATUS_WORDS[status].words}`];
    })
    .join(', ');
}

/** What the verdict is about: driver, toolkit, host, time; the plan on a line of its own. */
export function circumstances({ host, cudaVersion, mode, planDigest, seconds }: RunResult): string {
  const parts = [
    ...(mode === null ? [] : [`mode <b>${text(mode)}</b>`]),
    ...(host === null ? [] : [`host <b>${text(host.node)}</b>, Proxmox VE ${text(host.proxmoxVersion ?? 'unknown')}`]),
    host?.driver ? `driver <b>${text(host.driver.version)}</b>` : 'no driver loaded',
    cudaVersion === null ? 'no CUDA toolkit' : `CUDA <b>${text(cudaVersion)}</b>`,
    durationText(seconds),
  ];
  const plan = planDigest === null ? '' : `<br>plan ${code(planDigest)}`;
  return host === null ? '' : paragraph(`${parts.join(' · ')}${plan}`);
}
