import type { Log } from '../../../src/system/log.ts';

/** A log that keeps what it is told, one line each: `info …`, `foreign 901 …`, `group …`. */
export class RecordingLog implements Log {
  readonly lines: string[] = [];

  info(message: string): void {
    this.lines.push(`info ${message}`);
  }

  debug(message: string): void {
    this.lines.push(`debug ${message}`);
  }

  warning(message: string, title: string): void {
    this.lines.push(`warning ${title}: ${message}`);
  }

  foreign(source: string, line: string): void {
    this.lines.push(`foreign ${source} ${line}`);
  }

  async group<T>(title: string, work: () => Promise<T>): Promise<T> {
    this.lines.push(`group ${title}`);
    return work();
  }
}
