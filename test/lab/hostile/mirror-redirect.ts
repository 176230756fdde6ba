import type { Fault } from '../upstream/faults.ts';

/** A mirror that has the action ask this machine itself, or a cloud's metadata service, for it. */
export function redirectInside(path: string, host: '127.0.0.1' | '169.254.169.254' | '[::1]'): Fault {
  return {
    host: 'mirror.lab.test',
    path,
    action: { kind: 'redirect', location: `https://${host}/latest/meta-data/` },
  };
}
