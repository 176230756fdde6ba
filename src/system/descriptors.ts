import { closeSync, readdirSync, readFileSync } from 'node:fs';

/** Standard input, output and errors, which every program is given anew. */
const STANDARD = 2;

/** In the octal flags of /proc/PID/fdinfo/N (proc_pid_fdinfo(5)): closed when another program is started. */
const O_CLOEXEC = 0o2000000;

/**
 * Closes what this process inherited from whoever started it, beyond standard input, output and errors: every program would
 * inherit it in turn, and a container's process with it, be it a file of the host that somebody's shell had open. Node's own
 * descriptors aren't handed on, nor are the first sixteen that it finds (libuv, uv_disable_stdio_inheritance). For the beginning of a process that talks to no parent by other descriptors.
 */
export function closeInheritedDescriptors(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const number = Number(name);
    if (number <= STANDARD || !handedOn(number)) continue;
    closeSync(number);
  }
}

/** False also for one that is closed already, such as the one that its directory was read by. */
function handedOn(number: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${number}`, 'utf8'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch {
    return false;
  }
}
