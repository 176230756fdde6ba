package PctStandIn::Storage;

# Storages of /etc/pve/storage.cfg: type btrfs (subvolumes, can snapshot) and dir (can't, for containers).

use strict;
use warnings;
use Exporter 'import';
use POSIX ();
use PctStandIn::Config qw(volumes);
use PctStandIn::Host qw(failure read_file run_command worker_failure);

our @EXPORT_OK = qw(volume_path can_snapshot snapshot_volumes rollback_volumes delete_snapshots mount_volumes
    unmount_volumes destroy_volumes);

sub storages {
    my %storages;
    my $name;
    for my $line (split(/\n/, read_file('/etc/pve/storage.cfg'))) {
        if ($line =~ /^(\w+):\s*(\S+)/) { $storages{ $name = $2 } = { type => $1 } }
        elsif ($line =~ /^\s+(\S+)\s+(.*)$/) { $storages{$name}{$1} = $2 }
    }
    return \%storages;
}

# [storage's configuration, path] of a volume id such as local-btrfs:901/subvol-901-disk-0.subvol.
sub resolve {
    my ($volid) = @_;
    my ($id, $name) = $volid =~ /^([^:\/]+):(.+)$/ or failure(255, "unable to parse volume ID '$volid'\n");
    my $storage = storages()->{$id} // failure(255, "storage '$id' does not exist\n");
    return ($storage, "$storage->{path}/images/$name");
}

sub volume_path { return (resolve($_[0]))[1] }

# Every volume's storage must be able to; a bind mount never is.
sub can_snapshot {
    my ($section) = @_;
    for my $entry (volumes($section)) {
        my $volume = $entry->[1]{volume};
        return 0 if $volume =~ m{^/};
        return 0 if (resolve($volume))[0]{type} ne 'btrfs';
    }
    return 1;
}

sub managed_paths {
    my ($section) = @_;
    return map { volume_path($_->[1]{volume}) } grep { $_->[1]{volume} !~ m{^/} } volumes($section);
}

sub snapshot_volumes {
    my ($section, $name) = @_;
    btrfs('subvolume', 'snapshot', '-r', $_, "$_\@$name") for managed_paths($section);
}

sub rollback_volumes {
    my ($section, $name) = @_;
    for my $path (managed_paths($section)) {
        my $new = "$path.tmp.$$";
        btrfs('subvolume', 'snapshot', "$path\@$name", $new);
        exchange($new, $path);
        btrfs('subvolume', 'delete', $new);
    }
}

# Both names change places at once, as PVE::Storage::BTRFSPlugin does it: renameat2(2) with RENAME_EXCHANGE.
sub exchange {
    my ($one, $other) = @_;
    my $number = { x86_64 => 316, aarch64 => 276 }->{ (POSIX::uname())[4] } // die "renameat2: unknown architecture\n";
    syscall($number, -100, $one, -100, $other, 2) == 0 or worker_failure("exchanging '$one' and '$other': $!\n");
}

sub delete_snapshots {
    my ($section, $name) = @_;
    for my $path (managed_paths($section)) {
        btrfs('subvolume', 'delete', "$path\@$name") if -d "$path\@$name";
    }
}

sub destroy_volumes {
    my ($config) = @_;
    for my $path (managed_paths($config->{current})) {
        if (-d $path) { btrfs('subvolume', 'delete', $path) }
        else { unlink($path) }
    }
}

sub btrfs {
    my (@args) = @_;
    open(my $stdout, '>&', \*STDOUT);
    open(STDOUT, '>', '/dev/null');
    my $code = run_command('btrfs', '-q', @args);
    open(STDOUT, '>&', $stdout);
    worker_failure("command 'btrfs -q @args' failed: exit code $code\n") if $code;
}

# Mounts rootfs and mount points below a directory (volumes only; bind mounts are entries of LXC's configuration).
sub mount_volumes {
    my ($section, $root) = @_;
    for my $entry (volumes($section)) {
        my ($key, $volume) = @$entry;
        next if $volume->{volume} =~ m{^/};
        my $path = volume_path($volume->{volume});
        my $target = $root . ($key eq 'rootfs' ? '' : $volume->{mp});
        mkdir($target);
        my @mount = -d $path ? ('mount', '--bind', $path, $target) : ('mount', '-o', 'loop', $path, $target);
        run_command(@mount) == 0 or die "command '@mount' failed\n";
    }
}

sub unmount_volumes {
    my ($section, $root) = @_;
    for my $entry (reverse(volumes($section))) {
        my ($key, $volume) = @$entry;
        next if $volume->{volume} =~ m{^/};
        run_command('umount', '-d', $root . ($key eq 'rootfs' ? '' : $volume->{mp}));
    }
}

1;
