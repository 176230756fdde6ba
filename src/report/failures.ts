import type { Failure } from '../errors.ts';
import { REPORT_LIMITS } from '../system/limits.ts';
import { lastLines } from '../system/text.ts';
import { blocks, code, fold, paragraph, preformatted, text } from './html.ts';
import type { RunResult } from './result.ts';

/** Lines of a log or output that stand openly below a failure; all that is kept is in a fold. */
const LINES = 8;

/** A failure with the containers that have exactly it, or none when it is the run's own. */
interface Group {
  failure: Failure;
  ctids: number[];
}

/**
 * Every failure: what was seen, what to do, and the lines that matter. Containers with the same code, remedy and lines are
 * told once.
 *
 * @param folds with a fold of all kept lines where there are more
 */
export function failures(result: RunResult, folds: boolean): string {
  return blocks(grouped(result).map((group) => section(group, folds)));
}

function grouped({ failure, containers }: RunResult): Group[] {
  const groups: Group[] = failure === null ? [] : [{ failure, ctids: [] }];
  for (const { ctid, failure } of containers) {
    if (failure === null) continue;
    const same = groups.find((group) => group.ctids.length > 0 && key(group.failure) === key(failure));
    if (same === undefined) groups.push({ failure, ctids: [ctid] });
    else same.ctids.push(ctid);
  }
  return groups;
}

function key({ code, remedy, details }: Failure): string {
  return JSON.stringify([code, remedy, details]);
}

function section({ failure, ctids }: Group, folds: boolean): string {
  const { seen, remedy, details = '' } = failure;
  const others = ctids.length > 1 ? ` (the same in containers ${ctids.slice(1).join(', ')})` : '';
  const shown = lastLines(details, LINES);
  const kept = details.slice(-REPORT_LIMITS.details);
  const more = kept.split('\n').length > LINES;
  return blocks([
    paragraph(`❌ <b>${text(seen)}</b>${others}<br>➡️ ${text(remedy)} (${code(failure.code)})`),
    shown === '' ? '' : preformatted(shown),
    folds && more ? fold('All lines that were kept', [preformatted(kept)]) : '',
  ]);
}
