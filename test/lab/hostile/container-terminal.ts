import type { Container } from '../container.ts';

const LOG = '/var/lib/hostile-terminal';

/** What it types; TIOCSTI (0x5412) puts a character into a terminal's input as if a person had typed it (ioctl_tty(2)). */
export const TYPED = 'typed by a container';

const PROGRAM = `#!/usr/bin/perl
open(my $log, '>>', '${LOG}');
if (open(my $terminal, '+<', '/dev/tty')) {
  my $typed = 0;
  for (split //, "${TYPED}\\n") { $typed++ if ioctl($terminal, 0x5412, $_) }
  print $log "opened, typed $typed\\n";
  # Stays for a while, with the terminal open.
  if (fork() == 0) { close STDOUT; close STDERR; sleep 3; exit }
} else {
  print $log "$!\\n";
}
close $log;
exec '/usr/bin/base64.real', @ARGV;
`;

/** A container in which `base64`, which every look into it calls, types into the terminal of whoever runs it, and keeps it open. */
export async function plantTerminalTypist(container: Container): Promise<void> {
  await container.execOk(['mv', '/usr/bin/base64', '/usr/bin/base64.real']);
  await container.writeFile('/usr/bin/base64', PROGRAM, '0755');
}

/** What each of its calls came to: "opened, typed 21", or why there was no terminal. */
export async function terminalTypistLog(container: Container): Promise<string[]> {
  const text = await container.execOk({ script: `cat ${LOG}; rm ${LOG}; pkill -x perl || :` });
  return text.trim().split('\n');
}
