import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { runfileOf } from '../../unit/helpers/runfile.ts';
import { runOk } from '../command.ts';
import type { Host } from '../host.ts';

/** What the evil runfile's installer leaves in a container that it runs in. */
export const EVIDENCE = '/root/PWNED-by-cache';

/**
 * Arguments: the tool cache, the evil runfile, a file that is made once it was written. Renames it over each cached one, and writes
 * it into the same inode, by turns.
 */
const WRITE = `
turn=0
while :; do
  for cached in "$1"/nvidia-runfile/*/*/*.run; do
    [ -f "$cached" ] || continue
    turn=$((1 - turn))
    if [ "$turn" = 1 ]; then
      cp -- "$2" "$cached.new" && mv -f -- "$cached.new" "$cached"
    else
      cat -- "$2" 1<> "$cached"
    fi
    : > "$3"
  done
done`;

/**
 * Somebody else who may write to the tool cache, as another job or another host that shares it: as soon as a runfile is there,
 * and again and again, it becomes another one of the same version, whose installer is the attacker's.
 *
 * @param version of the driver
 * @returns what ends it, and what waits until it has written
 */
export async function writeToCache(
  host: Host,
  version: string,
): Promise<AsyncDisposable & { written(): Promise<void> }> {
  const directory = join(host.directory, 'hostile-cache');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'nvidia-installer'), `#!/bin/sh\n: > ${EVIDENCE}\n`, { mode: 0o755 });
  const archive = join(directory, 'archive.tar');
  await runOk(['tar', '-C', directory, '-cf', archive, './nvidia-installer']);
  const [evil, written] = [join(directory, 'evil.run'), join(directory, 'written')];
  await writeFile(evil, runfileOf(await readFile(archive), { version }));
  const [program = '', ...args] = host.enter([
    ...['/bin/sh', '-c', WRITE, 'sh'],
    ...[join(host.directory, 'runner', 'tool-cache'), evil, written],
  ]);
  const writer: ChildProcess = spawn(program, args, { stdio: 'ignore' });
  return {
    async written() {
      while (!existsSync(written)) await setTimeout(50);
    },
    async [Symbol.asyncDispose]() {
      const ended = once(writer, 'exit');
      writer.kill('SIGKILL');
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
