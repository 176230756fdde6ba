package PctStandIn::Power;

# pct start, stop, shutdown, reboot, suspend, resume.

use strict;
use warnings;
use PctStandIn::Config qw(check_lock load_config lock_config);
use PctStandIn::Host qw(failure run_command worker_failure);
use PctStandIn::Lxc qw(is_running start_container);
use Time::HiRes qw(sleep);

# start and stop go on when the lock is only that of `pct mount`.
sub check_lock_unless_mounted {
    my ($config) = @_;
    check_lock($config) if ($config->{current}{keys}{lock} // '') ne 'mounted';
}

sub start {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    failure(255, "CT $ctid already running\n") if is_running($ctid);
    lock_config($ctid, sub {
        my $config = load_config($ctid, 255);
        check_lock_unless_mounted($config) if !$parameters->{skiplock};
        worker_failure("you can't start a CT if it's a template\n") if $config->{current}{keys}{template};
        with_skiplock($ctid, $parameters->{skiplock}, sub { start_container($ctid, $config) });
    });
}

# Tells the pre-start hook not to look at the lock.
sub with_skiplock {
    my ($ctid, $skiplock, $code) = @_;
    my $flag = "/run/lxc/skiplock-$ctid";
    if ($skiplock) {
        mkdir('/run/lxc');
        open(my $file, '>', $flag) or die "$flag: $!\n";
    }
    my $ok = eval { $code->(); 1 };
    my $error = $@;
    unlink($flag) if $skiplock;
    die $error if !$ok;
}

sub stop {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    failure(255, "CT $ctid not running\n") if !is_running($ctid);
    lock_config($ctid, sub {
        check_lock_unless_mounted(load_config($ctid, 255)) if !$parameters->{skiplock};
        run_lxc_stop($ctid, '--kill');
    });
}

sub shutdown {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    failure(255, "CT $ctid not running\n") if !is_running($ctid);
    lock_config($ctid, sub {
        check_lock(load_config($ctid, 255));
        my $timeout = $parameters->{timeout} // 60;
        run_lxc_stop($ctid, $parameters->{forceStop} ? () : '--nokill', '--timeout', $timeout);
    });
}

# No look at the lock, so a locked container is stopped and then not started: the pre-start hook does look.
sub reboot {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    failure(255, "VM $ctid not running\n") if !is_running($ctid);
    lock_config($ctid, sub {
        run_lxc_stop($ctid, '--nokill', '--timeout', $parameters->{timeout} // 60);
        start_container($ctid, load_config($ctid, 255));
    });
}

# Real ones make and take back checkpoints of whole containers; one that is frozen runs.
sub suspend {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    failure(255, "CT $ctid not running\n") if !is_running($ctid);
    failure(70, "pct suspend is not stood in for\n");
}

sub resume {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    failure(255, "CT $ctid already running\n") if is_running($ctid);
    failure(70, "pct resume is not stood in for\n");
}

sub run_lxc_stop {
    my ($ctid, @options) = @_;
    my @command = ('lxc-stop', '-n', $ctid, @options);
    my $code = run_command(@command);
    if ($code) {
        print "command '@command' failed: exit code $code\n";
        worker_failure("container did not stop\n");
    }
    # LXC's monitor keeps the command socket for a moment after the container is gone
    for (1 .. 500) {
        return if !is_running($ctid);
        sleep(0.01);
    }
    worker_failure("container did not stop\n");
}

1;
