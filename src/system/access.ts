import { commandRunner, type RunCommand, runCommand } from './command.ts';
import { type HostFiles, hostFiles } from './files.ts';
import { filesAsRoot } from './root-files.ts';
import type { User } from './user.ts';

/** `-n`: sudo never asks, it fails instead. */
const SUDO = ['/usr/bin/sudo', '-n', '--'];

/** This host, as far as a user gets at it. */
export interface HostAccess {
  user: User;
  files: HostFiles;
  /** Runs a program as that user. */
  run: RunCommand;
  /** Runs a program as root; only what docs/sudoers allows. */
  runAsRoot: RunCommand;
}

/** How a user gets at this host: the one place that decides what goes through sudo. */
export function accessOf(user: User): HostAccess {
  const runAsRoot = user.rights === 'sudo' ? commandRunner(SUDO) : runCommand;
  const files = user.rights === 'sudo' ? filesAsRoot(hostFiles, runAsRoot) : hostFiles;
  return { user, files, run: runCommand, runAsRoot };
}
