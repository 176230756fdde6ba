/** Where a run tells what it does. Lines given here are ours: foreign text goes through `foreign`. */
export interface Log {
  info(message: string): void;
  debug(message: string): void;
  warning(message: string, title: string): void;
  /** A line that another program wrote: made harmless before it reaches the runner. */
  foreign(source: string, line: string): void;
  /** Everything logged by `work` goes into one fold of the runner's log. */
  group<T>(title: string, work: () => Promise<T>): Promise<T>;
}
