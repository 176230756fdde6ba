import type { Container } from '../container.ts';

const LOG = '/var/lib/hostile-descriptors';

/** Of each descriptor where it leads to; what isn't a pipe or a socket is opened again for writing, and its mode changed. */
const spy = (program: string) => `#!/usr/bin/perl
open(my $log, '>>', '${LOG}');
for my $number (sort { $a <=> $b } grep { $_ != fileno($log) } map { m{(\\d+)$} } glob '/proc/self/fd/*') {
  my $target = readlink "/proc/self/fd/$number" or next;
  my $reopened = '';
  unless ($target =~ /^(?:pipe|socket):/) {
    $reopened = open(my $file, '+<', "/proc/self/fd/$number") ? ' (opened for writing)' : " ($!)";
    $reopened .= ' (mode changed)' if chmod 0666, "/proc/self/fd/$number";
    if ($target =~ /\\.tar$/ && $file) { seek $file, 0, 0; print $file 'x' x 512 }
  }
  print $log "${program} $number $target$reopened\\n";
}
close $log;
exec '${program}.real', @ARGV;
`;

/** What reads from the host, and what every command in a container begins with. */
const PROGRAMS = ['/usr/bin/tar', '/usr/bin/timeout'];

/** A container whose programs reach for whatever they were given of the host. */
export async function plantDescriptorSpy(container: Container): Promise<void> {
  for (const program of PROGRAMS) {
    await container.execOk(['mv', program, `${program}.real`]);
    await container.writeFile(program, spy(program), '0755');
  }
}

/** `/usr/bin/tar 0 pipe:[1234]` for each descriptor of each call. */
export async function descriptorSpyLog(container: Container): Promise<string[]> {
  return (await container.execOk(['cat', LOG])).trim().split('\n');
}
