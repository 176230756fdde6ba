import type { Container } from '../container.ts';

/**
 * A container whose processes pass for this action's own calls on the host, whose /proc shows them: as root and, like anybody
 * with a shell in it, as nobody. They last for ten minutes.
 *
 * @param ctid the container that they claim to work on
 */
export async function plantFakeCalls(container: Container, ctid: number): Promise<void> {
  // Perl itself reads its own file, under the name of pct.
  await container.writeFile('/usr/sbin/pct', '#!/usr/bin/perl\nsleep 600;\n', '0755');
  const script = `
    for user in 0 65534; do
      for program in /usr/bin/perl /usr/bin/perl\\ -T; do
        setsid setpriv --reuid "$user" --regid "$user" --clear-groups $program /usr/sbin/pct rollback "$1" nvidia-0123abcd > /dev/null 2>&1 < /dev/null &
      done
      setsid setpriv --reuid "$user" --regid "$user" --clear-groups sh -c 'sleep 600 & wait' /usr/sbin/pct snapshot "$1" > /dev/null 2>&1 < /dev/null &
    done`;
  await container.execOk({ script, args: [String(ctid)] });
}
