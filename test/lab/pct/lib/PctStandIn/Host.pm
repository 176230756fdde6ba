package PctStandIn::Host;

# The simulated host as pct sees it: node name, release, switches, and failing the way pct fails.

use strict;
use warnings;
use Exporter 'import';

our @EXPORT_OK = qw(STATE node version failure worker_failure read_file write_file run_command);

use constant STATE => '/etc/proxmox-lxc-nvidia-lab';

# The node's name, as pmxcfs shows it: /etc/pve/local -> nodes/NAME.
sub node {
    my $target = readlink('/etc/pve/local') // die "/etc/pve/local is no link\n";
    return $target =~ s{^nodes/}{}r;
}

# The major release of Proxmox VE: 7, 8 or 9.
sub version {
    chomp(my $version = read_file(STATE . '/pve-version'));
    return $version;
}

# Ends the current command: text for stderr and exit code. Real pct exits with a left-over errno,
# so the code is part of what was recorded, not something to compute.
sub failure {
    my ($code, $text) = @_;
    die bless { code => $code, text => $text }, 'PctStandIn::Failure';
}

# As failure, with the code of everything that fails inside a worker: exit(-1).
sub worker_failure {
    return failure(255, $_[0]);
}

sub read_file {
    my ($path) = @_;
    open(my $file, '<', $path) or die "$path: $!\n";
    local $/;
    my $text = <$file>;
    close($file);
    return $text // '';
}

# Replaces a file at once: temporary file and rename, as pmxcfs's atomic writes look to readers.
sub write_file {
    my ($path, $text, $mode) = @_;
    my $temporary = "$path.tmp.$$";
    open(my $file, '>', $temporary) or die "$temporary: $!\n";
    print $file $text or die "$temporary: $!\n";
    close($file) or die "$temporary: $!\n";
    chmod($mode, $temporary) if defined($mode);
    rename($temporary, $path) or die "$path: $!\n";
}

# Runs a program with its output on our stdout (a worker's stderr comes out there too); returns its exit code.
sub run_command {
    my (@argv) = @_;
    my $pid = fork() // die "fork: $!\n";
    if (!$pid) {
        open(STDIN, '<', '/dev/null');
        open(STDERR, '>&', \*STDOUT);
        %ENV = (PATH => $ENV{PATH}, LC_ALL => 'C');
        exec { $argv[0] } @argv or exit(127);
    }
    waitpid($pid, 0);
    return $? & 127 ? 128 + ($? & 127) : $? >> 8;
}

1;
