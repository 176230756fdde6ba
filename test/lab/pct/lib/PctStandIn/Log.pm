package PctStandIn::Log;

# The lab's own part of pct: a log of every call, and faults that tests ask for. The real pct has neither.

use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(:flock :mode);
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(clock sleep time);
use PctStandIn::Host qw(STATE failure read_file);

our @EXPORT_OK = qw(log_start log_end apply_switches);

my $json = JSON::PP->new->canonical;

sub append {
    my ($entry) = @_;
    open(my $log, '>>', STATE . '/pct.jsonl') or return;    # an unprivileged caller can't
    flock($log, LOCK_EX);
    syswrite($log, $json->encode($entry) . "\n");
    close($log);
}

sub log_start {
    my ($subcommand, @argv) = @_;
    append({ event => 'start', time => time(), pid => $$, argv => [@argv], subcommand => $subcommand // '',
            env => {%ENV}, uid => $>, stdin => stdin_kind() });
}

sub log_end {
    my ($exit_code) = @_;
    append({ event => 'end', pid => $$, exitCode => $exit_code });
}

sub stdin_kind {
    my @stat = stat(STDIN) or return 'closed';
    return 'tty' if -t STDIN;
    return 'pipe' if S_ISFIFO($stat[2]) || S_ISSOCK($stat[2]);
    return 'file' if S_ISREG($stat[2]);
    my @null = stat('/dev/null');
    return S_ISCHR($stat[2]) && $stat[6] == $null[6] ? 'null' : 'other';
}

# Burns the start-up time of the real pct and does the faults that match this call.
sub apply_switches {
    my ($subcommand, @argv) = @_;
    my $text = eval { read_file(STATE . '/switches.json') } // return;
    my $switches = $json->decode($text);
    my $delay = $switches->{startupDelay} // 0;
    while (clock() < $delay) { }
    my $index = 0;
    for my $fault (@{ $switches->{faults} // [] }) {
        $index++;
        next if !matches($fault, $subcommand, @argv);
        next if defined($fault->{nth}) && count($index) != $fault->{nth};
        perform($fault);
    }
}

sub matches {
    my ($fault, $subcommand, @argv) = @_;
    return 0 if defined($fault->{subcommand}) && $fault->{subcommand} ne $subcommand;
    return 0 if defined($fault->{ctid}) && !grep { $_ eq $fault->{ctid} } @argv;
    return 0 if defined($fault->{match}) && join(' ', @argv) !~ /$fault->{match}/;
    return 1;
}

# Counts the calls a fault matched, over all processes.
sub count {
    my ($index) = @_;
    open(my $file, '>>', STATE . "/counters/$index") or return 0;
    flock($file, LOCK_EX);
    syswrite($file, '.');
    my $count = -s $file;
    close($file);
    return $count;
}

sub perform {
    my ($fault) = @_;
    if ($fault->{before}) { PctStandIn::Host::run_command(@{ $fault->{before} }) }
    sleep($fault->{delayMs} / 1000) if $fault->{delayMs};
    if ($fault->{hang}) { sleep(3600) while 1 }
    if ($fault->{during}) { beside($fault) }
    if ($fault->{after}) { return followed_by($fault) }
    return if !defined($fault->{exitCode});
    print $fault->{stdout} if defined($fault->{stdout});
    failure($fault->{exitCode}, $fault->{stderr} // '');
}

# Starts a program that runs while pct does what it was asked for; it finds this process as its parent.
sub beside {
    my ($fault) = @_;
    my $pid = fork() // die "fork: $!\n";
    return if $pid;
    open(STDOUT, '>', '/dev/null');
    open(STDERR, '>', '/dev/null');
    sleep(($fault->{duringMs} // 0) / 1000);
    PctStandIn::Host::run_command(@{ $fault->{during} });
    POSIX::_exit(0);
}

# Returns in a child, which then is pct; this process waits for it, runs the program and ends as the child did, or with
# the fault's own exit code, the child's output lost.
sub followed_by {
    my ($fault) = @_;
    my $pid = fork() // die "fork: $!\n";
    if (!$pid) {
        return if !defined($fault->{exitCode});
        open(STDOUT, '>', '/dev/null');
        open(STDERR, '>', '/dev/null');
        return;
    }
    waitpid($pid, 0);
    my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    open(my $stdout, '>&', \*STDOUT);
    open(STDOUT, '>', '/dev/null');
    PctStandIn::Host::run_command(@{ $fault->{after} });
    open(STDOUT, '>&', $stdout);
    if (defined($fault->{exitCode})) {
        $code = $fault->{exitCode};
        syswrite(STDERR, $fault->{stderr}) if defined($fault->{stderr});
    }
    log_end($code);
    POSIX::_exit($code);
}

1;
