package PctStandIn::Lxc;

# Containers as LXC has them: running or not, LXC's configuration made from Proxmox's, start.

use strict;
use warnings;
use Exporter 'import';
use PctStandIn::Config qw(check_lock devices load_config volumes write_config);
use PctStandIn::Host qw(STATE failure run_command worker_failure write_file);

our @EXPORT_OK = qw(is_running init_pid start_container write_lxc_config id_offset apply_pending device_numbers);

# As Proxmox decides it: LXC's command socket exists.
sub is_running {
    my ($ctid) = @_;
    open(my $sockets, '<', '/proc/net/unix') or die "/proc/net/unix: $!\n";
    while (<$sockets>) {
        return 1 if m{\s\@/var/lib/lxc/\Q$ctid\E/command$};
    }
    return 0;
}

sub init_pid {
    my ($ctid) = @_;
    open(my $info, '-|', 'lxc-info', '-n', $ctid, '-p', '-H') or die "lxc-info: $!\n";
    my $pid = <$info>;
    close($info);
    chomp($pid //= '');
    return $pid =~ /^\d+$/ ? $pid : undef;
}

sub id_offset { return $_[0]{keys}{unprivileged} ? 100000 : 0 }

# Pending changes take effect at a start.
sub apply_pending {
    my ($ctid, $config) = @_;
    my $pending = delete $config->{pending} or return;
    my $deleted = delete $pending->{keys}{delete};
    delete $config->{current}{keys}{$_} for split(/,/, $deleted // '');
    $config->{current}{keys}{$_} = $pending->{keys}{$_} for keys %{ $pending->{keys} };
    write_config($ctid, $config);
}

# Starts a container whose configuration is loaded and whose locks were looked at.
sub start_container {
    my ($ctid, $config) = @_;
    apply_pending($ctid, $config);
    for my $device (devices($config->{current})) {
        worker_failure("Device $device->[1]{path} does not exist\n") if !-e $device->[1]{path};
    }
    write_lxc_config($ctid, $config->{current});
    my $code = run_command('lxc-start', '-n', $ctid);
    worker_failure("startup for container '$ctid' failed\n") if $code;
}

sub write_lxc_config {
    my ($ctid, $section) = @_;
    my $keys = $section->{keys};
    my $directory = "/var/lib/lxc/$ctid";
    mkdir($directory);
    mkdir("$directory/rootfs");
    my $unified = -e '/sys/fs/cgroup/cgroup.controllers';
    my $cgroup = $unified ? 'lxc.cgroup2' : 'lxc.cgroup';

    my @lines = ('lxc.include = /usr/share/lxc/config/common.conf');
    if ($keys->{unprivileged}) {
        push @lines, 'lxc.include = /usr/share/lxc/config/userns.conf', 'lxc.idmap = u 0 100000 65536',
            'lxc.idmap = g 0 100000 65536';
    }
    # LXC's userns.conf drops the device rules; Proxmox has them for both kinds.
    push @lines, "$cgroup.devices.deny = a", map { "$cgroup.devices.allow = $_" } 'c *:* m', 'b *:* m', 'c 1:3 rwm',
        'c 1:5 rwm', 'c 1:7 rwm', 'c 1:8 rwm', 'c 1:9 rwm', 'c 5:0 rwm', 'c 5:1 rwm', 'c 5:2 rwm', 'c 136:* rwm',
        'c 10:229 rwm';
    push @lines, 'lxc.apparmor.profile = unconfined', 'lxc.monitor.unshare = 1', 'lxc.arch = amd64',
        'lxc.hook.pre-start = ' . STATE . '/pct/prestart-hook', "lxc.rootfs.path = $directory/rootfs",
        "lxc.uts.name = " . ($keys->{hostname} // "CT$ctid"), 'lxc.environment = TERM=linux', 'lxc.tty.max = 2',
        "lxc.cgroup.dir.container = pxlab-$ctid", "lxc.cgroup.dir.monitor = pxlab-monitor-$ctid";
    # what the host's kernel module shows; a change of the host's driver is seen at once
    push @lines, 'lxc.mount.entry = ' . STATE . '/driver proc/driver none bind,optional 0 0' if -d STATE . '/driver';
    # majors are the kernel's choice: on a real host /proc/devices tells them in containers, too
    push @lines, 'lxc.mount.entry = ' . STATE . '/proc-devices proc/devices none bind,optional 0 0'
        if -e STATE . '/proc-devices';
    push @lines, network_lines($ctid, $section);
    for my $device (devices($section)) {
        my $path = $device->[1]{path};
        my ($type, $major, $minor) = device_numbers($path) or next;
        my $access = $device->[1]{'deny-write'} ? 'r' : 'rw';
        push @lines, "lxc.mount.entry = $directory/passthrough$path " . substr($path, 1) . ' none bind,create=file 0 0',
            "$cgroup.devices.allow = $type $major:$minor $access";
    }
    for my $entry (volumes($section)) {
        my $volume = $entry->[1];
        next if $volume->{volume} !~ m{^/};
        my $options = $volume->{ro} ? 'bind,ro,create=dir' : 'bind,create=dir';
        push @lines, "lxc.mount.entry = $volume->{volume} " . substr($volume->{mp}, 1) . " none $options 0 0";
    }
    for my $raw (@{ $section->{raw} }) {
        my ($key, $value) = @$raw;
        $key =~ s/^lxc\.cgroup2\./$cgroup./ if !$unified;
        next if $unified && $key =~ /^lxc\.cgroup\./;
        push @lines, "$key = $value";
    }
    write_file("$directory/config", join('', map { "$_\n" } @lines));
}

sub network_lines {
    my ($ctid, $section) = @_;
    my @lines;
    for my $key (sort grep { /^net\d+$/ } keys %{ $section->{keys} }) {
        my $index = substr($key, 3);
        my $net = PctStandIn::Config::parse_property_string($section->{keys}{$key}, 'name');
        my $mtu = $net->{mtu} // bridge_mtu($net->{bridge});
        push @lines, "lxc.net.$index.type = veth", "lxc.net.$index.link = $net->{bridge}",
            "lxc.net.$index.veth.pair = veth${ctid}i$index", "lxc.net.$index.name = $net->{name}",
            "lxc.net.$index.flags = up";
        push @lines, "lxc.net.$index.mtu = $mtu" if $mtu;
        push @lines, "lxc.net.$index.hwaddr = $net->{hwaddr}" if $net->{hwaddr};
        push @lines, "lxc.net.$index.ipv4.address = $net->{ip}" if ($net->{ip} // '') =~ /^\d/;
        push @lines, "lxc.net.$index.ipv4.gateway = $net->{gw}" if $net->{gw};
    }
    return @lines ? @lines : ('lxc.net.0.type = empty');
}

sub bridge_mtu {
    my ($bridge) = @_;
    open(my $file, '<', "/sys/class/net/$bridge/mtu") or return;
    chomp(my $mtu = <$file>);
    return $mtu;
}

# ('c' or 'b', major, minor) of a device node.
sub device_numbers {
    my ($path) = @_;
    my @stat = stat($path) or return;
    my $rdev = $stat[6];
    my $major = (($rdev >> 8) & 0xfff) | (($rdev >> 32) & ~0xfff);
    my $minor = ($rdev & 0xff) | (($rdev >> 12) & ~0xff);
    return (-b _ ? 'b' : 'c', $major, $minor);
}

1;
