import { durationText } from '../system/text.ts';
import { blocks, code, paragraph, table, text } from './html.ts';
import type { ContainerResult, RunResult, Software } from './result.ts';
import { STATUS_WORDS, VERIFICATION_MARKS } from './words.ts';

/**
 * Every container in one line below the host's: what it had and has, how far it is proven, how long it took.
 *
 * @param most containers that are shown; the rest is counted
 */
export function containersTable({ host, containers }: RunResult, most = Number.POSITIVE_INFINITY): string {
  if (containers.length === 0) return '';
  const levels = [
    ...new Set(containers.flatMap(({ verifications }) => verifications.map(({ level }) => level))),
  ].sort();
  const blank = levels.map(() => '');
  const driver = host?.driver ? `<b>${text(host.driver.version)}</b> (${host.driver.kernelModule} kernel module)` : '–';
  const hostRow = host === null ? [] : [[`host <b>${text(host.node)}</b>`, '', driver, '', ...blank, '']];
  const rows = containers
    .slice(0, most)
    .map((container) => [
      `<b>${container.ctid}</b> ${text(container.hostname ?? '')}`.trim(),
      result(container),
      driverChange(container, host?.driver?.version),
      change(container, ({ toolkits }) => toolkits.join(', ') || 'none'),
      ...levels.map((level) => mark(container, level)),
      durationText(container.seconds),
    ]);
  const left = containers.length - rows.length;
  return blocks([
    table(['Container', 'Result', 'Driver', 'CUDA toolkits', ...levels, 'Time'], [...hostRow, ...rows]),
    left > 0 ? paragraph(`${left} more containers are in report.json.`) : '',
  ]);
}

function result({ status, rolledBack }: ContainerResult): string {
  const { mark, words } = STATUS_WORDS[status];
  return `${mark} ${words}${rolledBack ? ', rolled back' : ''}`;
}

/** The container's driver, marked where it isn't the host's. */
function driverChange(container: ContainerResult, host: string | undefined): string {
  const differs =
    container.before !== null && host !== undefined && (container.after ?? container.before).driver !== host;
  return `${differs ? '⚠️ ' : ''}${change(container, ({ driver }) => driver)}`;
}

function change({ before, after }: ContainerResult, value: (software: Software) => string): string {
  if (before === null) return '–';
  const [was, is] = [value(before), value(after ?? before)];
  return was === is ? text(is) : `${text(was)} → <b>${text(is)}</b>`;
}

function mark({ verifications }: ContainerResult, level: string): string {
  const found = verifications.find((verification) => verification.level === level);
  return found === undefined ? '–' : VERIFICATION_MARKS[found.status];
}

/** What the marks of the table stand for. */
export function levelsLegend({ containers }: RunResult): string {
  const titles = new Map(
    containers.flatMap(({ verifications }) => verifications.map(({ level, title }) => [level, title])),
  );
  const levels = [...titles].sort(([a], [b]) => a.localeCompare(b));
  return levels.length === 0
    ? ''
    : paragraph(`<sub>${levels.map(([level, title]) => `<b>${level}</b> ${text(title)}`).join(' · ')}</sub>`);
}

/** What isn't as it was meant, though nothing failed. */
export function warnings({ containers, findings: host }: RunResult): string {
  const all = [...host, ...containers.flatMap(({ plan, findings }) => [...(plan?.warnings ?? []), ...findings])];
  const told = new Map(all.map((warning) => [warning.message, warning]));
  return blocks([...told.values()].map((warning) => paragraph(`⚠️ ${text(warning.message)} (${code(warning.code)})`)));
}
