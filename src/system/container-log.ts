import type { Log } from './log.ts';

/** Something to tell once it is its turn. */
type Entry = (log: Log) => void;

/**
 * One log for containers that are worked on side by side. Their lines never mix: while only one container is worked on, its
 * groups appear as they grow; while several are, each group is kept and appears whole at its end, and one line says when it
 * began. What comes while another container's group is open waits until that is closed.
 */
export class ContainerLogs {
  readonly #log: Log;
  #working = 0;
  /** What the group that is open in the log belongs to: only that may tell something in it. */
  #open: ContainerLog | 'a kept group' | null = null;
  readonly #waiting: (() => void | Promise<void>)[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** A log for one container. */
  forContainer(): Log {
    return new ContainerLog(this);
  }

  /** Runs the work on one container; while two such works run, groups are kept until they end. */
  async working<T>(work: () => Promise<T>): Promise<T> {
    this.#working++;
    try {
      return await work();
    } finally {
      this.#working--;
    }
  }

  /** Tells something now, or when the group of another container is closed. */
  tell(source: ContainerLog, entry: Entry): void {
    if (this.#open === source || (this.#open === null && this.#waiting.length === 0)) entry(this.#log);
    else this.#waiting.push(() => entry(this.#log));
  }

  /** True when a group can appear as it grows. */
  get alone(): boolean {
    return this.#working <= 1 && this.#open === null && this.#waiting.length === 0;
  }

  /** Opens a group in the log and closes it after the work, then tells what waited for that. */
  async open<T>(source: ContainerLog | 'a kept group', title: string, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#group(source, title, work);
    } finally {
      while (this.#open === null) {
        const next = this.#waiting.shift();
        if (next === undefined) break;
        await next();
      }
    }
  }

  /** Tells a whole group; its work doesn't wait for its turn. */
  async tellGroup(title: string, entries: readonly Entry[]): Promise<void> {
    const replay = async () => {
      for (const entry of entries) entry(this.#log);
    };
    if (this.#open === null && this.#waiting.length === 0) await this.open('a kept group', title, replay);
    else this.#waiting.push(() => this.#group('a kept group', title, replay));
  }

  async #group<T>(source: ContainerLog | 'a kept group', title: string, work: () => Promise<T>): Promise<T> {
    this.#open = source;
    try {
      return await this.#log.group(title, work);
    } finally {
      this.#open = null;
    }
  }
}

class ContainerLog implements Log {
  readonly #logs: ContainerLogs;
  /** What is told in a group that appears at its end; null: nothing is kept. */
  #kept: Entry[] | null = null;
  #grouped = false;

  constructor(logs: ContainerLogs) {
    this.#logs = logs;
  }

  info(message: string): void {
    this.#tell((log) => log.info(message));
  }

  debug(message: string): void {
    this.#tell((log) => log.debug(message));
  }

  warning(message: string, title: string): void {
    this.#tell((log) => log.warning(message, title));
  }

  foreign(source: string, line: string): void {
    this.#tell((log) => log.foreign(source, line));
  }

  async group<T>(title: string, work: () => Promise<T>): Promise<T> {
    // The runner's log knows no group in a group.
    if (this.#grouped) {
      this.info(title);
      return work();
    }
    this.#grouped = true;
    try {
      return await (this.#logs.alone ? this.#logs.open(this, title, work) : this.#keep(title, work));
    } finally {
      this.#grouped = false;
    }
  }

  async #keep<T>(title: string, work: () => Promise<T>): Promise<T> {
    this.info(`${title} (begun; its log follows when it has ended)`);
    const kept: Entry[] = [];
    this.#kept = kept;
    try {
      return await work();
    } finally {
      this.#kept = null;
      await this.#logs.tellGroup(title, kept);
    }
  }

  #tell(entry: Entry): void {
    if (this.#kept === null) this.#logs.tell(this, entry);
    else this.#kept.push(entry);
  }
}
