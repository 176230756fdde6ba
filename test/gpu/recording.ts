import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ActionResult } from '../lab/runner.ts';

/** One run of the action, and what it should have come to. */
export interface RecordedRun {
  readonly name: string;
  /** What was done to the container before. */
  readonly what: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly exitCode: number | null;
  readonly result: string;
  readonly failureReason: string;
  readonly pctCalls: number;
  readonly seconds: number;
  /** The container's part of the report. */
  readonly container: unknown;
  /** What was expected and didn't come, in words; empty: all as expected. */
  readonly wrong: readonly string[];
}

/** What a run gathers, and its files. Few and flat, so that they come back from any machine. */
export class Recording {
  readonly #directory: string;
  readonly #lines: string[] = [];
  readonly #runs: RecordedRun[] = [];
  readonly #started = performance.now();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async in(directory: string): Promise<Recording> {
    await mkdir(directory, { recursive: true });
    return new Recording(directory);
  }

  get runs(): readonly RecordedRun[] {
    return this.#runs;
  }

  log(line: string): void {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1).padStart(6);
    const text = `${seconds} s  ${line}`;
    this.#lines.push(text);
    console.log(text);
  }

  add(run: RecordedRun): void {
    this.#runs.push(run);
    const { name, result, failureReason, pctCalls, seconds, wrong } = run;
    const outcome = failureReason === '' ? result : `${result} ${failureReason}`;
    this.log(`${wrong.length === 0 ? 'ok   ' : 'WRONG'} ${name}: ${outcome}, ${pctCalls} pct calls, ${seconds} s`);
    for (const text of wrong) this.log(`      ${text}`);
  }

  /** Keeps the output of an action's run, in the log only. */
  addOutput(name: string, { stdout, stderr }: Pick<ActionResult, 'stdout' | 'stderr'>): void {
    this.#lines.push(`----- output of ${name}`, stdout.trimEnd(), stderr.trimEnd(), '-----');
  }

  async keep(name: string, content: string | object): Promise<void> {
    const text = typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`;
    await writeFile(join(this.#directory, name), text);
  }

  async end(): Promise<void> {
    await this.keep('runs.json', this.#runs);
    await this.keep('log.txt', `${this.#lines.join('\n')}\n`);
  }
}

/** In words, where `seen` isn't what `expected` says; only keys of `expected` count. */
export function differences(
  expected: Readonly<Record<string, unknown>>,
  seen: Readonly<Record<string, unknown>>,
): string[] {
  return Object.entries(expected)
    .filter(([key, value]) => !isDeepStrictEqual(seen[key], value))
    .map(([key, value]) => `${key} is ${JSON.stringify(seen[key])}, not ${JSON.stringify(value)}`);
}
