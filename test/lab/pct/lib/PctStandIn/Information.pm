package PctStandIn::Information;

# Subcommands that only tell.

use strict;
use warnings;
use POSIX qw(strftime);
use PctStandIn::Config qw(encode_text list_ctids load_config lock_config remove_lock set_lock volumes);
use PctStandIn::Grammar;
use PctStandIn::Host qw(failure read_file);
use PctStandIn::Lxc qw(init_pid is_running);
use PctStandIn::Storage qw(mount_volumes unmount_volumes);

sub list {
    my @ctids = list_ctids() or return;
    my $format = "%-10s %-10s %-12s %-20s\n";
    printf($format, qw(VMID Status Lock Name));
    for my $ctid (@ctids) {
        my $keys = load_config($ctid)->{current}{keys};
        my $name = ($keys->{hostname} // "CT$ctid") =~ s/\s//gr;
        printf($format, $ctid, is_running($ctid) ? 'running' : 'stopped', $keys->{lock} // '', $name);
    }
}

sub status {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    my $keys = load_config($ctid)->{current}{keys};
    my $status = is_running($ctid) ? 'running' : 'stopped';
    if (!$parameters->{verbose}) {
        print "status: $status\n";
        return;
    }
    my %values = (
        cpus => $keys->{cores} // 1, disk => 0, diskread => 0, diskwrite => 0, maxdisk => 8589934592,
        maxmem => ($keys->{memory} // 512) * 1048576, maxswap => ($keys->{swap} // 512) * 1048576, mem => 0,
        name => $keys->{hostname} // "CT$ctid", netin => 0, netout => 0, status => $status, swap => 0, type => 'lxc',
        uptime => 0, vmid => $ctid,
    );
    $values{lock} = $keys->{lock} if defined($keys->{lock});
    $values{tags} = $keys->{tags} if defined($keys->{tags});
    $values{template} = 1 if $keys->{template};
    if ($status eq 'running') {
        my $pid = $values{pid} = init_pid($ctid);
        my ($now) = split(/ /, read_file('/proc/uptime'));
        my @fields = split(/ /, read_file("/proc/$pid/stat") =~ s/.*\) //sr);
        $values{uptime} = int($now - $fields[19] / 100);
    }
    print "$_: $values{$_}\n" for sort keys %values;
}

sub config {
    my ($parameters) = @_;
    my $config = load_config($parameters->{vmid});
    my $section = $config->{current};
    if (defined(my $name = $parameters->{snapshot})) {
        $section = $config->{snapshots}{$name} // failure(255, "snapshot '$name' does not exist\n");
    }
    my %keys = %{ $section->{keys} };
    if (!$parameters->{current} && !defined($parameters->{snapshot}) && $config->{pending}) {
        my %pending = %{ $config->{pending}{keys} };
        delete $keys{$_} for split(/,/, delete($pending{delete}) // '');
        %keys = (%keys, %pending);
    }
    $keys{description} = encode_text($keys{description}) if defined($keys{description});
    print "$_: $keys{$_}\n" for sort keys %keys;
    print "$_->[0]: $_->[1]\n" for @{ $section->{raw} };
}

sub pending {
    my ($parameters) = @_;
    my $config = load_config($parameters->{vmid});
    my %current = %{ $config->{current}{keys} };
    my %pending = $config->{pending} ? %{ $config->{pending}{keys} } : ();
    my %deleted = map { $_ => 1 } split(/,/, delete($pending{delete}) // '');
    for my $key (sort keys %{ { %current, %pending, %deleted } }) {
        if (defined(my $value = $current{$key})) {
            $value = encode_text($value) if $key eq 'description';
            print "cur $key: $value\n" if !defined($pending{$key}) || $pending{$key} ne $value;
        }
        print "new $key: $pending{$key}\n" if defined($pending{$key});
        print "del $key: $current{$key}\n" if $deleted{$key} && defined($current{$key});
    }
}

# A tree by parents, oldest first; `current` is always its last leaf.
sub listsnapshot {
    my ($parameters) = @_;
    my $config = load_config($parameters->{vmid});
    my %snapshots = %{ $config->{snapshots} };
    my %children;
    for my $name (sort { ($snapshots{$a}{keys}{snaptime} // 0) <=> ($snapshots{$b}{keys}{snaptime} // 0) } keys %snapshots) {
        my $parent = $snapshots{$name}{keys}{parent};
        push @{ $children{ defined($parent) && $snapshots{$parent} ? $parent : '' } }, $name;
    }
    my $parent = $config->{current}{keys}{parent};
    push @{ $children{ defined($parent) && $snapshots{$parent} ? $parent : '' } }, 'current';
    my $print;
    $print = sub {
        my ($name, $prefix) = @_;
        my ($time, $text) = ('', 'You are here!');
        if ($name ne 'current') {
            my $keys = $snapshots{$name}{keys};
            $time = strftime('%F %H:%M:%S', localtime($keys->{snaptime})) if $keys->{snaptime};
            ($text) = split(/\n/, $keys->{description} // 'no-description');
        }
        my $branch = "$prefix`->";
        printf("%s %-*s %-23s %s\n", $branch, 30 - length($branch), $name, $time, $text);
        $print->($_, "$prefix ") for @{ $children{$name} // [] };
    };
    $print->($_, '') for @{ $children{''} // [] };
}

sub df {
    my ($parameters) = @_;
    my $ctid = $parameters->{vmid};
    lock_config($ctid, sub {
        my $running = is_running($ctid);
        print STDERR "$ctid doesn't exist\n" if !-e PctStandIn::Config::config_path($ctid);
        my $config = $running ? load_config($ctid) : set_lock($ctid, 'mounted');
        my $root = $running ? '/proc/' . init_pid($ctid) . '/root' : "/var/lib/lxc/$ctid/rootfs";
        mkdir("/var/lib/lxc/$ctid");
        mkdir("/var/lib/lxc/$ctid/rootfs");
        mount_volumes($config->{current}, $root) if !$running;
        my @rows = ([qw(MP Volume Size Used Avail Use% Path)]);
        for my $entry (volumes($config->{current})) {
            my ($name, $volume) = @$entry;
            my $output = `df -B1 --output=size,used,avail \Q$root$volume->{mp}\E`;
            my ($size, $used, $available) = $output =~ /(\d+)\s+(\d+)\s+(\d+)\s*$/;
            push @rows, [$name, $volume->{volume}, (map { human($_) } $size, $used, $available),
                sprintf('%.1f', 100 * $used / $size), $volume->{mp}];
        }
        my @width = map { my $column = $_; (sort { $b <=> $a } map { length($_->[$column]) } @rows)[0] } 0 .. 5;
        printf("%-$width[0]s %-$width[1]s %$width[2]s %$width[3]s %$width[4]s %$width[5]s %s\n", @$_) for @rows;
        if (!$running) {
            unmount_volumes($config->{current}, $root);
            remove_lock($ctid, 'mounted');
        }
    });
}

sub human {
    my ($size) = @_;
    for my $suffix ('', 'K', 'M', 'G') {
        return ($suffix eq '' ? $size : sprintf('%.1f', $size)) . $suffix if $size < 1024;
        $size /= 1024;
    }
    return sprintf('%.1fT', $size);
}

sub cpusets {
    my @running = grep { is_running($_) } list_ctids();
    if (!@running) {
        print "no running containers\n";
        return;
    }
    my ($width) = sort { $b <=> $a } map { length } @running;
    my $cpus = `nproc --all`;
    my $line = ': ' . join('', map { " $_" } 0 .. $cpus - 1);
    my $dashes = '-' x ($width + length($line)) . "\n";
    print $dashes, (map { sprintf("%${width}s%s\n", $_, $line) } @running), $dashes;
}

sub help {
    my ($parameters) = @_;
    my ($command) = @{ $parameters->{'extra-args'} };
    if (!defined($command)) {
        print "USAGE: pct <COMMAND> [ARGS] [OPTIONS]\n\n", PctStandIn::Grammar::short_usage();
        return;
    }
    failure(255, "ERROR: unknown command '$command'\n") if !grep { $_ eq $command } PctStandIn::Grammar::commands();
    print 'USAGE: ', PctStandIn::Grammar::usage_line($command);
}

1;
