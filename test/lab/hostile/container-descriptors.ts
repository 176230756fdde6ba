import type { Container } from '../container.ts';

/** Where in the container the program says what it was given. */
const REPORT = '/var/tmp/descriptor-report';

const PROGRAM = `#!/usr/bin/perl
use strict;
my @lines;
opendir(my $directory, '/proc/self/fd');
for my $number (sort { $a <=> $b } grep { /^\\d+$/ && $_ != fileno($directory) } readdir($directory)) {
  my $link = readlink("/proc/self/fd/$number");
  next if !defined($link);
  my $line = "$number $link";
  my ($same, $answer);
  if ($link !~ /^(?:pipe|socket):/) {
    if (open(my $again, '+<', "/proc/self/fd/$number")) {
      $line .= ' written' if defined(syswrite($again, "WRITTEN BY A CONTAINER\\n"));
    }
    $line .= ' made accessible' if open($same, "<&=$number") && chmod(0666, $same);
  } elsif (open($same, "<&=$number") && defined($answer = getsockopt($same, 1, 77))) {
    # SO_PEERPIDFD, then setns(pidfd, CLONE_NEWNS): the namespace of the process that made this socket.
    $line .= ' entered the host' if !fork_and(sub { syscall(308, unpack('i', $answer), 0x20000) });
  }
  push @lines, "$line\\n";
}
open(my $report, '>>', '${REPORT}');
print $report @lines;
close($report);
exec('NAME.real', @ARGV);

# The exit code of a child that exits with 0 when what it did returned 0.
sub fork_and {
  my ($what) = @_;
  my $child = fork();
  if (!$child) { require POSIX; POSIX::_exit($what->() == 0 ? 0 : 1) }
  waitpid($child, 0);
  return $?;
}
`;

/**
 * A container that makes what it can of the descriptors it is given: a program of it, each time it is called, opens all of them
 * anew for writing, changes their mode, and enters the namespaces of the process behind a socket.
 *
 * @param program its path, e.g. /usr/bin/env, which is the first that every command of the action needs
 */
export async function exploitsDescriptors(container: Container, program: string): Promise<void> {
  await container.execOk(['mv', program, `${program}.real`]);
  await container.writeFile(program, PROGRAM.replaceAll('NAME', program), '0755');
}

/** A line for each descriptor of each call: its number, where it leads, and what could be done with it. */
export async function descriptorReport(container: Container): Promise<string[]> {
  return (await container.readFile(REPORT)).trim().split('\n');
}
