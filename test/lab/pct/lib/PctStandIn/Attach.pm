package PctStandIn::Attach;

# pct exec, enter, console: become lxc-attach or lxc-console, so that the exit code is theirs and a
# signal to this process reaches lxc-attach only.

use strict;
use warnings;
use PctStandIn::Config qw(load_config);
use PctStandIn::Host qw(failure version);
use PctStandIn::Lxc qw(is_running);

# As in pve-container before 5.0.9: lxc-attach's own default, which keeps the environment too.
sub environment_options {
    my ($parameters) = @_;
    return if version() < 8;
    return ($parameters->{'keep-env'} // 1) ? '--keep-env' : '--clear-env';
}

sub running_container {
    my ($ctid) = @_;
    load_config($ctid);
    failure(255, "container '$ctid' not running!\n") if !is_running($ctid);
}

sub exec {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    my @command = @{ $parameters->{'extra-args'} };
    running_container($ctid);
    failure(255, "missing command at /usr/share/perl5/PVE/CLI/pct.pm line 226.\n") if !@command;
    delete @ENV{qw(SSL_CERT_FILE SSL_CERT_DIR)};
    CORE::exec('lxc-attach', '-n', $ctid, environment_options($parameters), '--', @command)
        or failure(255, "failed to exec lxc-attach: $!\n");
}

sub enter {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    running_container($ctid);
    delete @ENV{qw(SSL_CERT_FILE SSL_CERT_DIR)};
    CORE::exec('lxc-attach', '-n', $ctid, environment_options($parameters)) or failure(255, "lxc-attach: $!\n");
}

sub console {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    load_config($ctid);
    CORE::exec('lxc-console', '-n', $ctid, '-e', $parameters->{escape} // '^a') or failure(255, "lxc-console: $!\n");
}

1;
