import { CONTAINER_LIMITS } from './limits.ts';
import type { Log } from './log.ts';

/** Something to tell once it is its turn. */
type Entry = (log: Log) => void;

/** What an entry takes in memory beside its text, in about as many UTF-16 units. */
const ENTRY_SIZE = 80;

/** What was told, or how many lines were left out of it. */
type Part = { entry: Entry; size: number } | { lines: number };

/**
 * A group that is told at its end. Lines that another program wrote can be left out of it: then it says how many. What this
 * action itself says never is: there is little of it.
 */
class KeptGroup {
  #parts: Part[] = [];
  /** UTF-16 units of the lines that can be left out. */
  size = 0;

  /** @param size of a line that can be left out; 0: it can't */
  add(entry: Entry, size: number): void {
    this.#parts.push({ entry, size });
    this.size += size;
  }

  /** Leaves out every foreign line in its second half, because the first ones say what was begun. */
  halve(): void {
    const half = this.size / 2;
    const kept: Part[] = [];
    let size = 0;
    for (const part of this.#parts) {
      const last = kept.at(-1);
      if ('lines' in part) {
        if (last !== undefined && 'lines' in last) last.lines += part.lines;
        else kept.push(part);
      } else if (part.size === 0) {
        kept.push(part);
      } else if (size + part.size <= half) {
        size += part.size;
        kept.push(part);
      } else if (last !== undefined && 'lines' in last) {
        last.lines++;
      } else {
        kept.push({ lines: 1 });
      }
    }
    this.#parts = kept;
    this.size = size;
  }

  tell(log: Log): void {
    for (const part of this.#parts) {
      if ('entry' in part) part.entry(log);
      else
        log.info(`(${part.lines} lines are left out here: there are too many while several containers are worked on)`);
    }
  }
}

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
  /** Groups that aren't told yet. */
  readonly #kept = new Set<KeptGroup>();
  /** Of all of them together. */
  #size = 0;
  readonly #limit: number;
  /** What waits last and belongs to no group: one entry of what waits, however many lines it has. */
  #loose: KeptGroup | null = null;

  /** @param limit UTF-16 units of other programs' lines that wait at most, of all containers together */
  constructor(log: Log, limit: number = CONTAINER_LIMITS.waitingLog) {
    this.#log = log;
    this.#limit = limit;
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

  /**
   * Tells something now, or when the group of another container is closed.
   *
   * @param foreign a line that another program wrote, which can be left out where too much waits
   */
  tell(source: ContainerLog, entry: Entry, foreign: string | null): void {
    if (this.#open === source || (this.#open === null && this.#waiting.length === 0)) {
      entry(this.#log);
      return;
    }
    this.#loose ??= this.#waitLoose();
    this.add(this.#loose, entry, foreign);
  }

  #waitLoose(): KeptGroup {
    const group = this.keep();
    this.#waiting.push(() => {
      if (this.#loose === group) this.#loose = null;
      this.#forget(group);
      group.tell(this.#log);
    });
    return group;
  }

  #forget(group: KeptGroup): void {
    this.#kept.delete(group);
    this.#size -= group.size;
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

  /** Begins a group that is told at its end. */
  keep(): KeptGroup {
    const group = new KeptGroup();
    this.#kept.add(group);
    return group;
  }

  /**
   * Adds to a group that is told at its end; where too much waits then, lines are left out of the largest one, so that no
   * container takes another one's place.
   */
  add(group: KeptGroup, entry: Entry, foreign: string | null): void {
    const size = foreign === null ? 0 : foreign.length + ENTRY_SIZE;
    group.add(entry, size);
    this.#size += size;
    while (this.#size > this.#limit) {
      const largest = [...this.#kept].reduce((a, b) => (b.size > a.size ? b : a));
      this.#size -= largest.size;
      largest.halve();
      this.#size += largest.size;
    }
  }

  /** Tells a whole group; its work doesn't wait for its turn. */
  async tellGroup(title: string, group: KeptGroup): Promise<void> {
    const replay = async () => {
      this.#forget(group);
      group.tell(this.#log);
    };
    if (this.#open === null && this.#waiting.length === 0) {
      await this.open('a kept group', title, replay);
      return;
    }
    // What is told from now on comes after it.
    this.#loose = null;
    this.#waiting.push(() => this.#group('a kept group', title, replay));
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
  #kept: KeptGroup | null = null;
  #grouped = false;

  constructor(logs: ContainerLogs) {
    this.#logs = logs;
  }

  info(message: string): void {
    this.#tell((log) => log.info(message));
  }

  debug(message: string): void {
    // Also what package managers say of each file.
    this.#tell((log) => log.debug(message), message);
  }

  warning(message: string, title: string): void {
    this.#tell((log) => log.warning(message, title));
  }

  foreign(source: string, line: string): void {
    this.#tell((log) => log.foreign(source, line), line);
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
    const kept = this.#logs.keep();
    this.#kept = kept;
    try {
      return await work();
    } finally {
      this.#kept = null;
      await this.#logs.tellGroup(title, kept);
    }
  }

  #tell(entry: Entry, foreign: string | null = null): void {
    if (this.#kept === null) this.#logs.tell(this, entry, foreign);
    else this.#logs.add(this.#kept, entry, foreign);
  }
}
