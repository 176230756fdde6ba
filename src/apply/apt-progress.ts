import type { Log } from '../system/log.ts';
import { Pace } from '../system/progress.ts';

/** Where apt tells programs how far it is (apt's own README.progress-reporting): lines on standard error. */
export const STATUS_OPTIONS = ['-o', 'APT::Status-Fd=2'];

/** `dlstatus:` while downloading, `pmstatus:` while installing: name or number, percent, words. */
const STATUS = /^(dlstatus|pmstatus):[^:]*:(\d+(?:\.\d+)?):(.*)$/;

/** A line per file or package: thousands for a toolkit, and what they tell is in the progress. */
const ROUTINE =
  /^(?:Get:|Hit:|Ign:|Selecting previously|Preparing to unpack|Unpacking |Setting up |\(Reading database)/;

/** `Need to get 3,214 MB of archives.`, also `500 MB/3,214 MB` when a part is here already. */
const SIZE = /^Need to get (?:[\d.,]+ \w+\/)?([\d.,]+) (k|M|G)?B\b/;

const UNITS = { k: 1e3, M: 1e6, G: 1e9 };

/** True for a line in which apt tells programs how far it is: no news for people. */
export function isAptStatus(line: string): boolean {
  return STATUS.test(line);
}

/**
 * Logs what apt-get prints in a container: how far it is with rate and time left, its other words as they are. A line per
 * file or package appears in the debug log only. All of it is untrusted text.
 */
export function aptLog(log: Log, ctid: number, now?: () => number): (line: string) => void {
  const pace = { dlstatus: new Pace(now), pmstatus: null as Pace | null };
  let bytes: number | null = null;

  const downloading = (fraction: number) => {
    if (!pace.dlstatus.isDue(fraction)) return;
    const rate = bytes === null ? '' : `, ${((bytes * fraction) / pace.dlstatus.seconds / 1e6).toFixed(1)} MB/s`;
    const all = bytes === null ? '' : ` of ${(bytes / 1e6).toFixed(1)} MB`;
    log.info(`  ${percent(fraction)}${all} downloaded${rate}${pace.dlstatus.leftText(fraction)}`);
  };
  const installing = (fraction: number, words: string) => {
    pace.pmstatus ??= new Pace(now);
    if (!pace.pmstatus.isDue(fraction)) return;
    log.foreign(String(ctid), `${percent(fraction)} installed${pace.pmstatus.leftText(fraction)}: ${words}`);
  };

  return (line) => {
    const [, phase, part, words = ''] = STATUS.exec(line) ?? [];
    // Whoever prints as apt does can print any number.
    const fraction = Math.min(Number(part) / 100, 1);
    if (phase === 'dlstatus') return downloading(fraction);
    if (phase === 'pmstatus') return installing(fraction, words);
    const [, size, unit] = SIZE.exec(line) ?? [];
    if (size !== undefined) bytes = Number(size.replaceAll(',', '')) * (UNITS[unit as keyof typeof UNITS] ?? 1) || null;
    if (ROUTINE.test(line)) log.debug(`${ctid} │ ${line}`);
    else log.foreign(String(ctid), line);
  };
}

function percent(fraction: number): string {
  return `${Math.floor(fraction * 100)} %`;
}
