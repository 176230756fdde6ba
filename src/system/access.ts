import { isPrivilegedCall } from '../proxmox/privileged-calls.ts';
import { commandRunner, type RunCommand, runCommand } from './command.ts';
import { type HostFiles, hostFiles } from './files.ts';
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
  /** Runs a program as root; only the calls of privileged-calls.ts, whoever this user is. */
  runAsRoot: RunCommand;
}

/** How a user gets at this host: the one place that decides what goes through sudo. */
export function accessOf(user: User): HostAccess {
  const runAsRoot = onlyPrivileged(user.rights === 'sudo' ? commandRunner(SUDO) : runCommand);
  const files = user.rights === 'sudo' ? filesAsRoot(hostFiles, runAsRoot) : hostFiles;
  return { user, state: new State(user.name), files, run: runCommand, runAsRoot };
}

/**
 * Runs the calls of privileged-calls.ts and no other: one that was forgotten there fails in every test, not only where
 * sudo refuses it.
 */
export function onlyPrivileged(run: RunCommand): RunCommand {
  return async (argv, options) => {
    if (!isPrivilegedCall(argv))
      throw new Error(`not in the list of privileged calls: ${argv.join(' ').slice(0, 200)}`);
    return run(argv, options);
  };
}
