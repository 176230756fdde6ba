package PctStandIn::Volumes;

# pct mount, unmount, fstrim, rescan.

use strict;
use warnings;
use PctStandIn::Config qw(load_config lock_config remove_lock set_lock volumes);
use PctStandIn::Host qw(run_command);
use PctStandIn::Storage qw(mount_volumes unmount_volumes);

sub root_of {
    my ($ctid) = @_;
    mkdir("/var/lib/lxc/$ctid");
    mkdir("/var/lib/lxc/$ctid/rootfs");
    return "/var/lib/lxc/$ctid/rootfs";
}

sub mount {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    lock_config($ctid, sub {
        my $config = set_lock($ctid, 'mounted');
        mount_volumes($config->{current}, root_of($ctid));
    });
    print "mounted CT $ctid in '/var/lib/lxc/$ctid/rootfs'\n";
}

sub unmount {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    lock_config($ctid, sub {
        unmount_volumes(load_config($ctid)->{current}, root_of($ctid));
        remove_lock($ctid, 'mounted');
    });
}

sub fstrim {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    my $config = set_lock($ctid, 'fstrim');
    my $root = root_of($ctid);
    mount_volumes($config->{current}, $root);
    for my $entry (volumes($config->{current})) {
        my ($name, $volume) = @$entry;
        next if $volume->{volume} =~ m{^/} || ($name ne 'rootfs' && $parameters->{'ignore-mountpoints'});
        run_command('fstrim', '-v', $root . ($name eq 'rootfs' ? '/' : $volume->{mp}));
    }
    unmount_volumes($config->{current}, $root);
    remove_lock($ctid, 'fstrim');
}

sub rescan { print "rescan volumes...\n" }

1;
