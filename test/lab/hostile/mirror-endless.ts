import type { Fault } from '../upstream/faults.ts';

/** A mirror that announces a file's length and then sends bytes for as long as somebody takes them. */
export function endless(path: string): Fault {
  return { host: 'mirror.lab.test', path, action: { kind: 'endless' } };
}
