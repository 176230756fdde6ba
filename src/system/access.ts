import { commandRunner, type RunCommand, runCommand } from './command.ts';
import { type HostFiles, hostFiles } from './files.ts';
import { isPrivilegedCall } from './privileged-calls.ts';
import { filesAsRoot } from './root-files.ts';
import { State } from './state.ts';
import type { User } from './user.ts';

/** `-n`: sudo never asks, it fails instead. */
const SUDO = ['/usr/bin/sudo', '-n', '--'];

/** This host, as far as a user gets at it. */
export interface HostAccess {
  user: User;
  /** What this action keeps on this host, as that user has it. */
  state: State;
  files: HostFiles;
  /** Runs a program as that user. */
  run: RunCommand;
  /** Runs a program as root; only what docs/sudoers allows. */
  runAsRoot: RunCommand;
}

/** How a user gets at this host: the one place that decides what goes through sudo. */
export function accessOf(user: User): HostAccess {
  const runAsRoot = listedCalls(user.rights === 'sudo' ? commandRunner(SUDO) : runCommand);
  const files = user.rights === 'sudo' ? filesAsRoot(hostFiles, runAsRoot) : hostFiles;
  return { user, state: new State(user.name), files, run: runCommand, runAsRoot };
}

/** Runs what is in the list of privileged calls, and nothing else: as root too, so that a call can't be forgotten there. */
function listedCalls(run: RunCommand): RunCommand {
  return async (argv, options) => {
    if (!isPrivilegedCall(argv)) throw new Error(`not among the privileged calls: ${argv.join(' ').slice(0, 200)}`);
    return run(argv, options);
  };
}
