import type { RunCommand } from './command.ts';
import type { Log } from './log.ts';
import { durationText, withoutCredentials } from './text.ts';

/**
 * Every command in the runner's debug log (RUNNER_DEBUG), whole and quoted as a shell takes it, then its exit code and time.
 * Addresses in it carry no credentials; secrets that the runner knows are masked by the runner.
 */
export function loggedCommands(run: RunCommand, log: Pick<Log, 'debug'>): RunCommand {
  return async (argv, options) => {
    const started = performance.now();
    const number = ++count;
    log.debug(`command ${number}: ${withoutCredentials(argv.map(quoted).join(' '))}`);
    const result = await run(argv, options);
    const seconds = durationText((performance.now() - started) / 1000);
    log.debug(`command ${number}: exit code ${result.exitCode} after ${seconds}`);
    return result;
  };
}

/** Tells commands apart that run at the same time. */
let count = 0;

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
