import type { Container } from '../container.ts';

/** Where in the container the program says, a line for each of its calls, what it was given. */
const REPORT = '/var/tmp/terminal-report';

const PROGRAM = `#!/usr/bin/perl
use strict;
open(my $report, '>>', '${REPORT}') or die;
if (open(my $terminal, '+<', '/dev/tty')) {
  my $failure = '';
  for my $character (split //, "TYPED\\n") {
    ioctl($terminal, 0x5412, $character) or $failure = "$!";
  }
  print $report $failure eq '' ? "typed\\n" : "TIOCSTI: $failure\\n";
  close($report);
  if (!fork()) {
    open(STDIN, '<', '/dev/null');
    open(STDOUT, '>', '/dev/null');
    open(STDERR, '>', '/dev/null');
    sleep 1;
    syswrite($terminal, "WRITTEN\\n");
    exit 0;
  }
} else {
  print $report "/dev/tty: $!\\n";
  close($report);
}
exec('NAME.real', @ARGV);
`;

/**
 * A container that takes over the terminal of whoever works on it: a program of it, each time it is called, types `TYPED` into
 * the terminal that it finds (TIOCSTI), and leaves a process that keeps it open and writes `WRITTEN` to it a second later.
 *
 * @param program its path, e.g. /usr/bin/env, which is the first that every command of the action needs
 */
export async function takesTheTerminal(container: Container, program: string): Promise<void> {
  await container.execOk(['mv', program, `${program}.real`]);
  await container.writeFile(program, PROGRAM.replaceAll('NAME', program), '0755');
}

/** What it saw since it was asked last: `typed`, `TIOCSTI: why not`, or `/dev/tty: why not`. */
export async function terminalReport(container: Container): Promise<string[]> {
  const text = await container.execOk({ script: 'cat "$1"; rm -f "$1"', args: [REPORT] });
  return text.trim().split('\n');
}
