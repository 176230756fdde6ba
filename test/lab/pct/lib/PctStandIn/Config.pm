package PctStandIn::Config;

# Configuration files of containers: /etc/pve/lxc/<ctid>.conf and their locks.

use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(:flock);
use PctStandIn::Host qw(node version failure read_file write_file);

our @EXPORT_OK = qw(config_path exists_here load_config write_config remove_config lock_config check_lock set_lock
    remove_lock decode_text encode_text list_ctids devices volumes);

my %KNOWN = map { $_ => 1 } qw(arch cmode console cores cpulimit cpuunits debug description digest entrypoint env
    features hookscript hostname lock memory nameserver onboot ostype parent protection rootfs searchdomain snaptime
    snapstate startup swap tags template timezone tty unprivileged);
my $RAW_KEY = qr/lxc\.(?:apparmor|arch|autodev|cap|cgroup|cgroup2|console|environment|ephemeral|group|hook|idmap|include|
    init|keyring|log|monitor|mount|namespace|net|no_new_privs|pivotdir|prlimit|proc|pty|rebootsignal|rootfs|seccomp|
    selinux|signal|start|sysctl|syslog|tty|uts)(?:\.[a-zA-Z0-9_.\-]+)?/x;

sub config_path {
    my ($ctid, $node) = @_;
    return '/etc/pve/nodes/' . ($node // node()) . "/lxc/$ctid.conf";
}

sub exists_here { return -e config_path($_[0]) }

sub known_key {
    my ($key) = @_;
    return 1 if $KNOWN{$key};
    return 1 if $key =~ /^(?:mp|net|unused)\d+$/;
    return version() >= 8 && $key =~ /^dev\d+$/;    # devN: since pve-container 5.0.7
}

sub new_section { return { keys => {}, raw => [] } }

# Parses a file's text to { current, pending, snapshots => { name => section } }; a section is { keys, raw }.
sub parse {
    my ($ctid, $text) = @_;
    my $config = { current => new_section(), snapshots => {} };
    my $section = $config->{current};
    my $description = '';
    my $finish = sub {
        $section->{keys}{description} = $description if length $description;
        $description = '';
    };
    for my $line (split(/\n/, $text)) {
        next if $line =~ /^\s*$/;
        if ($line =~ /^\[pve:pending\]\s*$/i) {
            $finish->();
            $section = $config->{pending} = new_section();
        } elsif ($line =~ /^\[([a-z][a-z0-9_\-]+)\]\s*$/i) {
            $finish->();
            $section = $config->{snapshots}{$1} = new_section();
        } elsif ($line =~ /^\#(.*)$/) {
            $description .= decode_text($1) . "\n";
        } elsif ($line =~ /^($RAW_KEY)(?::|\s*=)\s*(.*?)\s*$/) {
            my ($key, $value) = ($1, $2);
            if ($key eq 'lxc.rootfs.path' || $key eq 'lxc.rootfs.options' || $key eq 'lxc.rootfs') {
                warn "vm $ctid - $key: lxc.rootfs is reserved\n";
                next;
            }
            warn "vm $ctid - $key is deprecated and was automatically dropped in favour of lxc.cgroup2\n"
                if $key =~ /^lxc\.cgroup\./ && version() >= 7 && -e '/sys/fs/cgroup/cgroup.controllers';
            push @{ $section->{raw} }, [$key, $value];
        } elsif ($line =~ /^([a-z][a-z_\-]*\d*):\s*(.+?)\s*$/) {
            my ($key, $value) = ($1, $2);
            warn "vm $ctid - unable to parse value of '$key' - unknown setting '$key'\n"
                if !known_key($key) && !($key eq 'delete' && $config->{pending});
            $section->{keys}{$key} = $value;
        } else {
            warn "vm $ctid - unable to parse config: $line\n";
        }
    }
    $finish->();
    return $config;
}

sub format_section {
    my ($section) = @_;
    my %keys = %{ $section->{keys} };
    my $description = delete $keys{description} // '';
    my $text = join('', map { '#' . encode_text($_) . "\n" } split(/\n/, $description));
    $text .= "$_: $keys{$_}\n" for sort keys %keys;
    $text .= "$_->[0]: $_->[1]\n" for @{ $section->{raw} };
    return $text;
}

# Loads the configuration of a container of this node; ends the command with the recorded text when there is none.
sub load_config {
    my ($ctid, $code) = @_;
    my $path = config_path($ctid);
    failure($code // 2, "Configuration file 'nodes/" . node() . "/lxc/$ctid.conf' does not exist\n") if !-e $path;
    return parse($ctid, read_file($path));
}

# Writes the whole file anew: description first, keys sorted, raw keys in their order, then pending and snapshots.
sub write_config {
    my ($ctid, $config) = @_;
    my $text = format_section($config->{current});
    my $pending = $config->{pending};
    if ($pending && (%{ $pending->{keys} } || @{ $pending->{raw} })) {
        $text .= "\n[pve:pending]\n" . format_section($pending);
    }
    for my $name (sort keys %{ $config->{snapshots} }) {
        $text .= "\n[$name]\n" . format_section($config->{snapshots}{$name});
    }
    write_file(config_path($ctid), $text, 0640);
    my $group = getgrnam('www-data');
    chown(0, $group, config_path($ctid)) if defined($group);
}

sub remove_config { unlink(config_path($_[0])) }

# Runs code while holding the container's lock file; waits 10 s for it, as pve-guest-common does.
sub lock_config {
    my ($ctid, $code) = @_;
    my $path = "/run/lock/lxc/pve-config-$ctid.lock";
    open(my $file, '>>', $path) or failure(2, "can't open file '$path' - $!\n");
    if (!flock($file, LOCK_EX | LOCK_NB)) {
        print STDERR "trying to acquire lock...\n";
        my $got = 0;
        eval {
            local $SIG{ALRM} = sub { die "timeout\n" };
            alarm(10);
            $got = flock($file, LOCK_EX);
            alarm(0);
        };
        alarm(0);
        failure(4, "can't lock file '$path' - got timeout\n") if !$got;
        print STDERR " OK\n";
    }
    my @result = eval { $code->() };
    my $error = $@;
    close($file);
    die $error if $error;
    return wantarray ? @result : $result[0];
}

# Refuses when the configuration has a lock: key. exec, enter, push, pull, status, config, list, listsnapshot and reboot
# never look at it.
sub check_lock {
    my ($config) = @_;
    my $lock = $config->{current}{keys}{lock};
    failure(255, "CT is locked ($lock)\n") if defined($lock);
}

sub set_lock {
    my ($ctid, $lock) = @_;
    my $config = load_config($ctid);
    check_lock($config);
    $config->{current}{keys}{lock} = $lock;
    write_config($ctid, $config);
    return $config;
}

sub remove_lock {
    my ($ctid, $lock) = @_;
    my $config = load_config($ctid);
    my $current = $config->{current}{keys}{lock};
    if (!defined($current)) {
        failure(255, 'no lock found trying to remove ' . (defined($lock) ? "lock '$lock'" : 'any lock') . "\n");
    }
    failure(255, "found lock '$current' trying to remove lock '$lock'\n") if defined($lock) && $lock ne $current;
    delete $config->{current}{keys}{lock};
    write_config($ctid, $config);
}

# Proxmox's encoding of descriptions: only ':', '%', control and non-ASCII characters.
sub encode_text { return $_[0] =~ s/([:%\x00-\x1f\x7f-\xff])/sprintf('%%%02X', ord($1))/ger }
sub decode_text { return $_[0] =~ s/%([0-9A-Fa-f]{2})/chr(hex($1))/ger }

sub list_ctids {
    my @ids;
    opendir(my $directory, '/etc/pve/nodes/' . node() . '/lxc') or return;
    for my $name (readdir($directory)) {
        push @ids, $1 if $name =~ /^(\d+)\.conf$/;
    }
    return sort { $a <=> $b } @ids;
}

# devN entries as [N, { path, mode, uid, gid, 'deny-write' }], in order of N.
sub devices {
    my ($section) = @_;
    my @devices;
    return if version() < 8;
    for my $key (keys %{ $section->{keys} }) {
        next if $key !~ /^dev(\d+)$/;
        push @devices, [$1, parse_property_string($section->{keys}{$key}, 'path')];
    }
    return sort { $a->[0] <=> $b->[0] } @devices;
}

# rootfs and mpN entries as [key, { volume, mp, … }], rootfs first.
sub volumes {
    my ($section) = @_;
    my $keys = $section->{keys};
    my @volumes;
    push @volumes, ['rootfs', { %{ parse_property_string($keys->{rootfs}, 'volume') }, mp => '/' }] if $keys->{rootfs};
    for my $key (sort grep { /^mp\d+$/ } keys %$keys) {
        push @volumes, [$key, parse_property_string($keys->{$key}, 'volume')];
    }
    return @volumes;
}

# 'a,b=c' to { <default key> => 'a', b => 'c' }.
sub parse_property_string {
    my ($text, $default_key) = @_;
    my %properties;
    for my $part (split(/,/, $text)) {
        if ($part =~ /^([a-z][a-z0-9_\-]*)=(.*)$/i) { $properties{$1} = $2 }
        else { $properties{$default_key} = $part }
    }
    return \%properties;
}

1;
