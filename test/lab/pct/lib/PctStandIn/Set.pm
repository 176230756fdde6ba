package PctStandIn::Set;

# pct set, unlock, destroy, template: what changes the configuration file.

use strict;
use warnings;
use Digest::SHA qw(sha1_hex);
use JSON::PP ();
use PctStandIn::Config qw(check_lock config_path devices load_config lock_config remove_config remove_lock
    write_config);
use PctStandIn::Host qw(STATE failure read_file run_command version worker_failure write_file);
use PctStandIn::Lxc qw(device_numbers id_offset init_pid is_running write_lxc_config);
use PctStandIn::Storage qw(destroy_volumes);

# Keys that a running container takes at once; everything else is pending until its next start.
my $LIVE = qr/^(?:cores|cpulimit|cpuunits|description|hookscript|lock|memory|onboot|protection|startup|swap|tags|
    unused\d+)$/x;

sub set {
    my ($parameters) = @_;
    my %wanted = %$parameters;
    my $ctid = delete $wanted{vmid};
    my $digest = delete $wanted{digest};
    my @delete = split(/[,;\s]+/, delete($wanted{delete}) // '');
    my @revert = split(/[,;\s]+/, delete($wanted{revert}) // '');
    delete $wanted{force};
    failure(2, "no options specified\n") if !%wanted && !@delete && !@revert;

    lock_config($ctid, sub {
        my $config = load_config($ctid);
        check_lock($config);
        if (defined($digest) && $digest ne sha1_hex(read_file(config_path($ctid)))) {
            failure(255, "detected modified configuration - file changed by other user? Try again.\n");
        }
        for my $key (sort grep { /^dev\d+$/ } keys %wanted) {
            my ($path) = $wanted{$key} =~ /(?:^|,)(?:path=)?(\/dev\/[^,]+)/;
            failure(2, "Device $path does not exist\n") if !-e $path;
        }
        $wanted{tags} = join(';', sort(keys %{ { map { lc($_) => 1 } grep { length } split(/[,;\s]+/, $wanted{tags}) } }))
            if defined($wanted{tags});
        $wanted{description} .= "\n" if defined($wanted{description});
        my $running = is_running($ctid);
        my $pending = $config->{pending} //= { keys => {}, raw => [] };
        my %deleted = map { $_ => 1 } split(/,/, $pending->{keys}{delete} // '');
        for my $key (@revert) { delete $pending->{keys}{$key}; delete $deleted{$key} }
        for my $key (@delete) {
            delete $pending->{keys}{$key};
            if (!$running || $key =~ $LIVE) { delete $config->{current}{keys}{$key} }
            elsif (defined($config->{current}{keys}{$key})) { $deleted{$key} = 1 }
        }
        for my $key (keys %wanted) {
            delete $deleted{$key};
            delete $pending->{keys}{$key};
            if (!$running || $key =~ $LIVE || hotplug_device($ctid, $config, $key, $wanted{$key})) {
                $config->{current}{keys}{$key} = $wanted{$key};
            } elsif (($config->{current}{keys}{$key} // '') ne $wanted{$key}) {
                $pending->{keys}{$key} = $wanted{$key};
            }
        }
        if (%deleted) { $pending->{keys}{delete} = join(',', sort keys %deleted) }
        else { delete $pending->{keys}{delete} }
        write_config($ctid, $config);
        write_lxc_config($ctid, $config->{current});
    });
}

# A new devN appears in a running container at once, since pve-container 6.0.4; a changed one stays pending.
sub hotplug_device {
    my ($ctid, $config, $key, $value) = @_;
    return 0 if version() < 9 || $key !~ /^dev\d+$/ || defined($config->{current}{keys}{$key});
    my $section = { keys => { $key => $value, unprivileged => $config->{current}{keys}{unprivileged} }, raw => [] };
    my ($device) = map { $_->[1] } devices($section);
    my ($type, $major, $minor) = device_numbers($device->{path});
    my $access = $device->{'deny-write'} ? 'r' : 'rw';
    my $offset = id_offset($section);
    run_command('lxc-cgroup', '-n', $ctid, 'devices.allow', "$type $major:$minor $access");

    # The node is made outside and bound inside, as at start: the container itself may not make it.
    my $node = "/dev/.pct-$ctid-$key";
    run_command('mknod', '-m', $device->{mode} // '0660', $node, $type, $major, $minor) == 0 or return 0;
    chown(($device->{uid} // 0) + $offset, ($device->{gid} // 0) + $offset, $node);
    my $pid = init_pid($ctid);
    my $bound = run_command(STATE . '/pct/hotplug-device', $node, $device->{path}, $pid, $offset) == 0;
    unlink($node);
    return $bound;
}

sub unlock {
    my ($parameters) = @_;
    lock_config($parameters->{vmid}, sub { remove_lock($parameters->{vmid}) });
}

sub destroy {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    load_config($ctid);
    lock_config($ctid, sub {
        my $config = load_config($ctid);
        worker_failure("can't remove CT $ctid - protection mode enabled\n") if $config->{current}{keys}{protection};
        check_lock($config) if !$parameters->{force};
        if (is_running($ctid)) {
            worker_failure("unable to destroy CT $ctid - container is running\n") if !$parameters->{force};
            run_command('lxc-stop', '-n', $ctid, '--kill');
        }
        PctStandIn::Storage::delete_snapshots($config->{snapshots}{$_}, $_) for keys %{ $config->{snapshots} };
        destroy_volumes($config);
        remove_config($ctid);
        forget_in_vmlist($ctid);
        run_command('rm', '-rf', "/var/lib/lxc/$ctid");
    });
}

sub forget_in_vmlist {
    my ($ctid) = @_;
    my $list = JSON::PP::decode_json(read_file('/etc/pve/.vmlist'));
    delete $list->{ids}{$ctid};
    write_file('/etc/pve/.vmlist', JSON::PP::encode_json($list), 0440);
}

sub template {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    lock_config($ctid, sub {
        my $config = load_config($ctid);
        worker_failure("unable to create template, because CT contains snapshots\n") if %{ $config->{snapshots} };
        worker_failure("you can't convert a template to a template\n") if $config->{current}{keys}{template};
        worker_failure("you can't convert a CT to template if the CT is running\n") if is_running($ctid);
        check_lock($config);
        $config->{current}{keys}{template} = 1;
        write_config($ctid, $config);
    });
}

1;
