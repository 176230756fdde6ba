package PctStandIn::Grammar;

# pct's command line: subcommands, their arguments and options, parsed by Getopt::Long as the real one does,
# with its texts for what can't be parsed.

use strict;
use warnings;
use Exporter 'import';
use Getopt::Long ();
use PctStandIn::Host qw(failure version);

our @EXPORT_OK = qw(parse_command_line usage_line commands);

# What a value must look like: [test, text of the error]. A text may hold %s for the value.
my %TYPES = (
    string => sub { undef },
    vmid => sub {
        my ($value) = @_;
        return "type check ('integer') failed - got '$value'" if $value !~ /^[+-]?\d+$/;
        return $value =~ /^[1-9][0-9]{2,8}$/ ? undef : 'invalid format - value does not look like a valid VM ID';
    },
    integer => sub { $_[0] =~ /^[+-]?\d+$/ ? undef : "type check ('integer') failed - got '$_[0]'" },
    boolean => sub { $_[0] =~ /^[01]$/ ? undef : "type check ('boolean') failed - got '$_[0]'" },
    snapname => sub {
        my ($value) = @_;
        return "invalid format - invalid configuration ID '$value'" if $value !~ /^[a-z][a-z0-9_-]+$/i;
        return length($value) > 40 ? 'value may only be 40 characters long' : undef;
    },
    device => \&device_error,
);

sub device_error {
    my ($value) = @_;
    my %properties = (path => undef);
    for my $part (split(/,/, $value)) {
        if ($part =~ /^([a-z-]+)=(.*)$/) { $properties{$1} = $2 }
        else { $properties{path} = $part }
    }
    my @errors;
    my $path = $properties{path} // '';
    push @errors, "path: invalid format - $path is not a valid device path" if $path !~ m{^/dev/.+};
    push @errors, 'mode: value does not match the regex pattern'
        if defined($properties{mode}) && $properties{mode} !~ /^0[0-7]{3}$/;
    for my $key (qw(uid gid)) {
        push @errors, "$key: type check ('integer') failed - got '$properties{$key}'"
            if defined($properties{$key}) && $properties{$key} !~ /^\d+$/;
    }
    return @errors ? \@errors : undef;
}

my %CONFIG_OPTIONS = (
    (map { $_ => 'string' } qw(arch cmode description entrypoint env features hookscript hostname lock nameserver
        ostype rootfs searchdomain startup tags timezone delete revert digest)),
    (map { $_ => 'integer' } qw(cores cpulimit cpuunits memory swap tty)),
    (map { $_ => 'boolean' } qw(console debug onboot protection template unprivileged force)),
    (map { ("mp$_" => 'string', "unused$_" => 'string') } 0 .. 255),
    (map { ("net$_" => 'string') } 0 .. 31),
);

# name => [positional arguments, options]. An argument '[x]' is optional; 'extra-args' takes all the rest.
my %COMMANDS = (
    list => [[], {}],
    status => [['vmid'], { verbose => 'boolean' }],
    config => [['vmid'], { current => 'boolean', snapshot => 'snapname' }],
    pending => [['vmid'], {}],
    exec => [['vmid', 'extra-args'], { 'keep-env' => 'boolean' }],
    enter => [['vmid'], { 'keep-env' => 'boolean' }],
    console => [['vmid'], { escape => 'string' }],
    push => [['vmid', 'file', 'destination'], { perms => 'string', user => 'string', group => 'string' }],
    pull => [['vmid', 'path', 'destination'], { perms => 'string', user => 'string', group => 'string' }],
    start => [['vmid'], { debug => 'boolean', skiplock => 'boolean' }],
    stop => [['vmid'], { skiplock => 'boolean', 'overrule-shutdown' => 'boolean' }],
    shutdown => [['vmid'], { timeout => 'integer', forceStop => 'boolean' }],
    reboot => [['vmid'], { timeout => 'integer' }],
    suspend => [['vmid'], {}],
    resume => [['vmid'], {}],
    unlock => [['vmid'], {}],
    mount => [['vmid'], {}],
    unmount => [['vmid'], {}],
    df => [['vmid'], {}],
    template => [['vmid'], {}],
    cpusets => [[], {}],
    snapshot => [['vmid', 'snapname'], { description => 'string' }],
    listsnapshot => [['vmid'], {}],
    rollback => [['vmid', 'snapname'], { start => 'boolean' }],
    delsnapshot => [['vmid', 'snapname'], { force => 'boolean' }],
    set => [['vmid'], \%CONFIG_OPTIONS],
    destroy => [['vmid'], { force => 'boolean', purge => 'boolean', 'destroy-unreferenced-disks' => 'boolean' }],
    fstrim => [['vmid'], { 'ignore-mountpoints' => 'boolean' }],
    fsck => [['vmid'], { device => 'string', force => 'boolean' }],
    rescan => [[], { vmid => 'vmid', dryrun => 'boolean' }],
    # known to the grammar, not stood in for
    clone => [['vmid', 'newid'], { full => 'boolean', hostname => 'string' }],
    create => [['vmid', 'ostemplate'], { storage => 'string', start => 'boolean' }],
    restore => [['vmid', 'ostemplate'], { storage => 'string' }],
    migrate => [['vmid', 'target'], { online => 'boolean', restart => 'boolean' }],
    'move-volume' => [['vmid', 'volume', '[storage]'], {}],
    'remote-migrate' => [['vmid', '[target-vmid]', 'target-endpoint'], {}],
    resize => [['vmid', 'disk', 'size'], {}],
    help => [['extra-args'], { verbose => 'boolean' }],
);

my %ARGUMENT_TYPES = (vmid => 'vmid', snapname => 'snapname', newid => 'vmid');

sub commands { return sort keys %COMMANDS }

# The options a subcommand has in this release: name => type.
sub options_of {
    my ($command) = @_;
    my %options = %{ $COMMANDS{$command}[1] };
    delete $options{'keep-env'} if version() < 8;    # since pve-container 5.0.9
    delete $options{'overrule-shutdown'} if version() < 8;
    if ($command eq 'set' && version() >= 8) { $options{"dev$_"} = 'device' for 0 .. 255 }
    return \%options;
}

sub usage_line {
    my ($command) = @_;
    my @arguments = map { /^\[/ ? $_ : $_ eq 'extra-args' ? '[<extra-args>]' : "<$_>" } @{ $COMMANDS{$command}[0] };
    my $has_options = %{ options_of($command) };
    return join(' ', 'pct', $command, @arguments, $has_options ? '[OPTIONS]' : ()) . "\n";
}

sub usage_failure {
    my ($command, $text) = @_;
    failure(2, "400 $text\n" . usage_line($command));
}

sub parameter_failure {
    my ($command, @errors) = @_;
    failure(2, "400 Parameter verification failed.\n" . join('', map { "$_\n" } sort @errors) . "\n" . usage_line($command));
}

# Returns (subcommand, { parameter => value }); ends the command when the line can't be parsed.
sub parse_command_line {
    my (@argv) = @_;
    my $word = shift @argv;
    abort('no command specified') if !defined($word);
    my @matches = exists $COMMANDS{$word} ? ($word) : grep { /^\Q$word\E/ } keys %COMMANDS;
    abort("unknown command 'pct $word'") if @matches != 1;
    my $command = $matches[0];
    my ($arguments) = @{ $COMMANDS{$command} };
    my $options = options_of($command);

    # Arguments can be given as options too; a boolean's value is optional, and so eats the word after it.
    my %types = (%$options, map { s/[\[\]]//gr => $ARGUMENT_TYPES{$_} // 'string' } grep { $_ ne 'extra-args' } @$arguments);
    my @specification = map { $types{$_} eq 'boolean' ? "$_:s" : "$_=s" } keys %types;
    Getopt::Long::Configure('default', 'prefix_pattern=(--|-)');
    my %parameters;
    Getopt::Long::GetOptionsFromArray(\@argv, \%parameters, @specification)
        or usage_failure($command, 'unable to parse option');

    for my $argument (@$arguments) {
        if ($argument eq 'extra-args') {
            $parameters{'extra-args'} = [@argv];
            @argv = ();
        } elsif (@argv) {
            $parameters{ $argument =~ s/[\[\]]//gr } = shift @argv;
        } elsif ($argument !~ /^\[/) {
            usage_failure($command, 'not enough arguments');
        }
    }
    usage_failure($command, 'too many arguments') if @argv;
    verify($command, \%parameters, \%types);
    return ($command, \%parameters);
}

sub verify {
    my ($command, $parameters, $types) = @_;
    my @errors;
    for my $name (keys %$parameters) {
        next if $name eq 'extra-args';
        my $type = $types->{$name};
        if ($type eq 'boolean') {
            my $value = $parameters->{$name};
            if ($value =~ /^(?:|1|on|yes|true)$/i) { $parameters->{$name} = 1 }
            elsif ($value =~ /^(?:0|off|no|false)$/i) { $parameters->{$name} = 0 }
            else { usage_failure($command, 'unable to parse boolean option') }
        }
        my $error = $TYPES{$type}->($parameters->{$name}) // next;
        if (ref($error)) {
            push @errors, "$name: invalid format - format error\n" . join("\n", map { "$name.$_" } @$error);
        } else {
            push @errors, "$name: $error";
        }
    }
    my $snapname = $parameters->{snapname} // '';
    parameter_failure($command, @errors) if @errors;
    if ($command eq 'snapshot' && $snapname =~ /^(?:current|vzdump)$/) {
        parameter_failure($command, "snapname: unable to use snapshot name '$snapname' (reserved name)");
    }
}

sub abort {
    my ($reason) = @_;
    failure(255, "ERROR: $reason\nUSAGE: pct <COMMAND> [ARGS] [OPTIONS]\n\n" . short_usage());
}

sub short_usage { return join('', map { '       ' . usage_line($_) } sort keys %COMMANDS) }

1;
