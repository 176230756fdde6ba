package PctStandIn::Snapshot;

# pct snapshot, rollback, delsnapshot: real btrfs snapshots.

use strict;
use warnings;
use PctStandIn::Config qw(check_lock load_config lock_config write_config);
use PctStandIn::Host qw(run_command worker_failure);
use PctStandIn::Lxc qw(is_running start_container);
use PctStandIn::Power;
use PctStandIn::Storage qw(can_snapshot delete_snapshots rollback_volumes snapshot_volumes);

# Keys that belong to the container as it is now, not to a state of it.
my @NOT_IN_SNAPSHOT = qw(lock parent);

sub copy_section {
    my ($section) = @_;
    return { keys => { %{ $section->{keys} } }, raw => [map { [@$_] } @{ $section->{raw} }] };
}

sub snapshot {
    my ($parameters) = @_;
    my ($ctid, $name) = @$parameters{qw(vmid snapname)};

    # The lock key covers the work; the lock file only its two ends.
    lock_config($ctid, sub {
        my $config = load_config($ctid, 255);
        worker_failure("you can't take a snapshot if it's a template\n") if $config->{current}{keys}{template};
        check_lock($config);
        worker_failure("snapshot name '$name' already used\n") if $config->{snapshots}{$name};
        worker_failure("snapshot feature is not available\n") if !can_snapshot($config->{current});
        my $snapshot = copy_section($config->{current});
        delete $snapshot->{keys}{$_} for 'description', grep { $_ ne 'parent' } @NOT_IN_SNAPSHOT;
        $snapshot->{keys}{snaptime} = time();
        $snapshot->{keys}{snapstate} = 'prepare';
        $snapshot->{keys}{description} = $parameters->{description} if defined($parameters->{description});
        $config->{snapshots}{$name} = $snapshot;
        $config->{current}{keys}{lock} = 'snapshot';
        write_config($ctid, $config);
    });

    my $running = is_running($ctid);
    run_command('lxc-freeze', '-n', $ctid) if $running;
    my $ok = eval { run_command('sync'); snapshot_volumes(load_config($ctid)->{current}, $name); 1 };
    my $error = $@;
    run_command('lxc-unfreeze', '-n', $ctid) if $running;

    lock_config($ctid, sub {
        my $config = load_config($ctid, 255);
        delete $config->{current}{keys}{lock};
        if ($ok) {
            delete $config->{snapshots}{$name}{keys}{snapstate};
            $config->{current}{keys}{parent} = $name;
        } else {
            delete $config->{snapshots}{$name};
        }
        write_config($ctid, $config);
    });
    die $error if !$ok;
}

# Kills a running container, restores volumes and configuration, and leaves it stopped unless --start.
sub rollback {
    my ($parameters) = @_;
    my ($ctid, $name) = @$parameters{qw(vmid snapname)};
    lock_config($ctid, sub {
        my $config = load_config($ctid, 255);
        worker_failure("you can't rollback if vm is a template\n") if $config->{current}{keys}{template};
        my $snapshot = $config->{snapshots}{$name} // worker_failure("snapshot '$name' does not exist\n");
        worker_failure("unable to rollback to incomplete snapshot (snapstate = $snapshot->{keys}{snapstate})\n")
            if $snapshot->{keys}{snapstate};
        check_lock($config);
        worker_failure("snapshot feature is not available\n") if !can_snapshot($snapshot);
        $config->{current}{keys}{lock} = 'rollback';
        write_config($ctid, $config);
    });

    PctStandIn::Power::run_lxc_stop($ctid, '--kill') if is_running($ctid);
    rollback_volumes(load_config($ctid)->{snapshots}{$name}, $name);

    lock_config($ctid, sub {
        my $config = load_config($ctid, 255);
        my $old = $config->{current};
        my $new = copy_section($config->{snapshots}{$name});
        delete $new->{keys}{$_} for qw(snaptime snapstate description);
        $new->{keys}{parent} = $name;
        for my $key (grep { $_ eq 'description' || /^unused\d+$/ } keys %{ $old->{keys} }) {
            $new->{keys}{$key} = $old->{keys}{$key};
        }
        $config->{current} = $new;
        delete $config->{pending};
        write_config($ctid, $config);
        start_container($ctid, $config) if $parameters->{start};
    });
}

sub delsnapshot {
    my ($parameters) = @_;
    my ($ctid, $name) = @$parameters{qw(vmid snapname)};
    lock_config($ctid, sub {
        my $config = load_config($ctid, 255);
        my $snapshot = $config->{snapshots}{$name} // worker_failure("snapshot '$name' does not exist\n");
        check_lock($config) if !$parameters->{force};
        $config->{current}{keys}{lock} = 'snapshot-delete';
        write_config($ctid, $config);
        # PVE::AbstractConfig::snapshot_delete: from here on nothing can go back to it
        $snapshot->{keys}{snapstate} = 'delete';
        write_config($ctid, $config);
        delete_snapshots($snapshot, $name);
        my $parent = $snapshot->{keys}{parent};
        for my $section ($config->{current}, values %{ $config->{snapshots} }) {
            next if ($section->{keys}{parent} // '') ne $name;
            if (defined($parent)) { $section->{keys}{parent} = $parent }
            else { delete $section->{keys}{parent} }
        }
        delete $config->{snapshots}{$name};
        delete $config->{current}{keys}{lock};
        write_config($ctid, $config);
    });
}

1;
