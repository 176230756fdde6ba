package PctStandIn::Copy;

# pct push and pct pull. The copying runs in a worker whose failure only stderr tells: exit code 0.

use strict;
use warnings;
use Errno ();
use Fcntl qw(O_CREAT O_EXCL O_RDONLY O_TRUNC O_WRONLY);
use File::Copy ();
use POSIX ();
use PctStandIn::Config qw(load_config lock_config);
use PctStandIn::Host qw(failure);
use PctStandIn::Lxc qw(init_pid is_running);

# setns(2): Perl has no function for it
my %SETNS = (x86_64 => 308, aarch64 => 268);

sub push {
    my ($parameters) = @_;
    my ($ctid, $source, $destination) = @$parameters{qw(vmid file destination)};
    lock_config($ctid, sub {
        failure(255, "can only push files to a running CT\n") if !is_running($ctid);
        my $unprivileged = load_config($ctid, 255)->{current}{keys}{unprivileged};
        worker(sub {
            sysopen(my $from, $source, O_RDONLY) or die "failed to open $source for reading\n";
            enter_namespaces(init_pid($ctid), 'mnt', $unprivileged ? 'user' : ());
            if ($unprivileged) {
                POSIX::setgid(0) or die "setgid failed: $!\n";
                POSIX::setuid(0) or die "setuid failed: $!\n";
            }
            my $to = create_file($destination, $parameters);
            # what copy returns isn't looked at: on a full disk the file is short and nobody says so
            File::Copy::copy($from, $to);
        });
    });
}

sub pull {
    my ($parameters) = @_;
    my ($ctid, $source, $destination) = @$parameters{qw(vmid path destination)};
    lock_config($ctid, sub {
        failure(255, "can only pull files from a running VM at /usr/share/perl5/PVE/CLI/pct.pm line 568.\n")
            if !is_running($ctid);
        worker(sub {
            my $to = create_file($destination, $parameters);
            enter_namespaces(init_pid($ctid), 'mnt');
            open(my $from, '<', $source) or die "failed to open $source: $!\n";
            File::Copy::copy($from, $to);
        });
    });
}

sub worker {
    my ($code) = @_;
    my $pid = fork() // die "fork: $!\n";
    if (!$pid) {
        eval { $code->() };
        print STDERR $@ if $@;
        POSIX::_exit(0);
    }
    waitpid($pid, 0);
}

sub enter_namespaces {
    my ($pid, @kinds) = @_;
    my $number = $SETNS{ (POSIX::uname())[4] } // die "setns isn't known for this architecture\n";
    my @files = map { open(my $file, '<', "/proc/$pid/ns/$_") or die "namespace $_: $!\n"; $file } @kinds;
    for my $file (@files) {
        syscall($number, fileno($file), 0) == 0 or die "failed to enter the container's namespace: $!\n";
    }
    chdir('/') or die "failed to change to container root directory\n";
}

# A new file gets 0666 less the caller's umask, an existing one is rewritten in place with owner and mode kept.
sub create_file {
    my ($path, $parameters) = @_;
    my $uid = id_of($parameters->{user}, 'uid', sub { scalar(getpwnam($_[0])) });
    my $gid = id_of($parameters->{group}, 'gid', sub { scalar(getgrnam($_[0])) });
    my $mode = mode_of($parameters->{perms});
    my $file;
    if (sysopen($file, $path, O_WRONLY | O_CREAT | O_EXCL, 0)) {
        $mode //= 0666 & ~umask();
    } else {
        sysopen($file, $path, O_WRONLY | O_CREAT | O_TRUNC) or die "failed to create file: $path: $!\n";
    }
    chmod($mode, $file) if defined($mode);
    if (defined($uid) || defined($gid)) {
        chown($uid // -1, $gid // -1, $file) or die "failed to change file owner: $!\n";
    }
    return $file;
}

sub id_of {
    my ($name, $kind, $lookup) = @_;
    return $name if !defined($name) || $name =~ /^\d+$/;
    return $lookup->($name) // die "failed to get $kind for: $name\n";
}

# Octal unless it starts with 0x.
sub mode_of {
    my ($text) = @_;
    return undef if !defined($text);
    $text = "0$text" if $text !~ /^0/;
    my ($mode, $unparsed) = POSIX::strtoul($text, 0);
    die "invalid mode: '$text'\n" if $unparsed > 0;
    return $mode;
}

1;
