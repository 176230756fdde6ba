import { GUEST_ENVIRONMENT, MARK } from '../system/guest-environment.ts';
import { sha256Of } from '../system/sha256.ts';
import { STATE_DIRECTORY } from '../system/state-paths.ts';

/**
 * Everything that this action runs as root, and nothing else: `runAsRoot` starts no other call, docs/sudoers is made from
 * this list, and a host whose rules lack one of it is told which. What a new call needs is an entry here.
 */

/** An argument whose text varies, or several of them. */
interface Slot {
  /** What may stand there, as an extended regular expression on arguments joined by blanks: the way sudo matches. */
  pattern: string;
  /** What could stand there for a container. */
  sample: (ctid: number) => readonly string[];
}

export interface PrivilegedCall {
  program: string;
  args: readonly (string | Slot)[];
  /** What it is needed for; a comment in docs/sudoers. */
  why: string;
}

/** Any container, as Proxmox numbers them: 100 to 999999999. A list of ids can stand in its place in docs/sudoers. */
export const ANY_CONTAINER = '[1-9][0-9]{2,8}';

/** Seconds of a time limit. Not 0, which is none. */
const SECONDS = '[1-9][0-9]{0,5}';

const PCT = '/usr/sbin/pct';
const CONTAINER: Slot = { pattern: ANY_CONTAINER, sample: (ctid) => [String(ctid)] };
const SNAPSHOT = varies('nvidia-[0-9a-f]{8}', 'nvidia-0123abcd');
/** No blank in an address: what follows one could be another option of pct's. */
const RUN = varies(
  '(https?://[!-~]+|local run of process [0-9]+)',
  'https://github.com/owner/repository/actions/runs/1',
);
const DEVICES = varies(
  `--dev[0-9]{1,3} ${node()}( --dev[0-9]{1,3} ${node()})*`,
  ...['--dev0', '/dev/nvidia0,mode=0666', '--dev1', '/dev/nvidiactl,mode=0666'],
);
const KEYS = varies('dev[0-9]{1,3}(,dev[0-9]{1,3})*', 'dev0,dev1');

export const PRIVILEGED_CALLS: readonly PrivilegedCall[] = [
  {
    program: PCT,
    args: [
      ...['exec', CONTAINER, '--', 'env', '-i', ...GUEST_ENVIRONMENT],
      varies(`${MARK}=[0-9a-f-]{36}`, `${MARK}=00000000-0000-4000-8000-000000000000`),
      ...['/bin/sh', '-c', varies('.*', ':')],
    ],
    why: 'Whatever is looked at or installed in a container. The end matches anything: it is root in there, and nowhere else.',
  },
  {
    program: PCT,
    args: ['snapshot', CONTAINER, SNAPSHOT, '--description', 'proxmox-lxc-nvidia:', RUN],
    why: 'The way back, taken before a container is changed.',
  },
  {
    program: PCT,
    args: ['rollback', CONTAINER, SNAPSHOT],
    why: "Back to a snapshot of this action's own after a failure.",
  },
  {
    program: PCT,
    args: ['delsnapshot', CONTAINER, varies(`${SNAPSHOT.pattern}( --force 1)?`, 'nvidia-0123abcd', '--force', '1')],
    why: 'Drops it; by force where it was interrupted while it was made.',
  },
  { program: PCT, args: ['unlock', CONTAINER], why: 'The lock of a snapshot whose pct was killed.' },
  { program: PCT, args: ['start', CONTAINER], why: 'After a rollback, and for "restart: after-change".' },
  {
    program: PCT,
    args: ['shutdown', CONTAINER, '--timeout', varies('[1-9][0-9]{0,3}', '120')],
    why: 'For "restart: after-change" and "passthrough: configure".',
  },
  {
    program: PCT,
    args: ['set', CONTAINER, DEVICES],
    why: 'Gives a container GPU nodes, for "passthrough: configure".',
  },
  { program: PCT, args: ['set', CONTAINER, '--delete', KEYS], why: 'Takes them back after a failure.' },
  ...['/usr/bin/lxc-freeze', '/usr/bin/lxc-unfreeze'].map((program) => ({
    program,
    args: ['-n', CONTAINER],
    why: 'Lets a container go on that a killed snapshot left frozen, which pct cannot.',
  })),
  {
    program: '/bin/cat',
    args: ['--', varies(`/etc/pve/(storage[.]cfg|lxc/[1-9][0-9]*[.]conf)`, '/etc/pve/storage.cfg')],
    why: 'Configurations, of all containers because of their tags; /etc/pve is closed to others.',
  },
  {
    program: '/usr/bin/touch',
    args: [
      '--',
      {
        pattern: `${literal(STATE_DIRECTORY)}/locks/container-${ANY_CONTAINER}[.]lock`,
        sample: (ctid) => [`${STATE_DIRECTORY}/locks/container-${ctid}.lock`],
      },
    ],
    why: "A container's lock file: made by root, so that nobody else can put another in its place.",
  },
];

const PATTERNS = PRIVILEGED_CALLS.map(patternOf);

/**
 * Names this very list: rules that have it were made from no other. It is as long as the longest rule: sudo ignores those of
 * more than 1,024 characters, so a list of ids that is too long for another is too long for the one with this name as well.
 */
const NAME = `proxmox-lxc-nvidia-${sha256Of(PATTERNS.join('\n')).slice(0, 12)}`.padEnd(
  Math.max(...PATTERNS.map(({ length }) => length)),
  '-',
);

/**
 * A call that does nothing: where sudo allows it, the rules are of this very list, and allow its calls for the containers
 * named in it.
 */
export const MARKER: PrivilegedCall = {
  program: '/bin/true',
  args: [{ pattern: `${NAME}( ${ANY_CONTAINER})*`, sample: (ctid) => [NAME, String(ctid)] }],
  why: 'Does nothing. That it is allowed tells a run, at once and for all its containers, that nothing above is missing.',
};

/** {@link MARKER} for some containers. */
export function markerFor(ctids: readonly number[]): [string, ...string[]] {
  return [MARKER.program, NAME, ...ctids.map(String)];
}

/** An example of a call, for a container. */
export function sampleOf({ program, args }: PrivilegedCall, ctid: number): [string, ...string[]] {
  return [program, ...args.flatMap((arg) => (typeof arg === 'string' ? [arg] : arg.sample(ctid)))];
}

/** A call as an extended regular expression, without anchors. */
export function patternOf({ program, args }: PrivilegedCall): string {
  const parts = args.map((arg) => (typeof arg === 'string' ? literal(arg) : arg.pattern));
  return [literal(program), ...parts].join(' ');
}

/** A call behind its time limit, as an extended regular expression: what /usr/bin/timeout is given. */
export function limitedPatternOf(call: PrivilegedCall): string {
  return `^-k 10 ${SECONDS} ${patternOf(call)}$`;
}

const MATCHERS = [...PATTERNS, patternOf(MARKER)].map((pattern) => new RegExp(`^${pattern}$`, 's'));

/** Whether a call is one of the list; joined by blanks, as sudo sees it. */
export function isPrivilegedCall(argv: readonly string[]): boolean {
  const call = argv.join(' ');
  return MATCHERS.some((matcher) => matcher.test(call));
}

function varies(pattern: string, ...sample: string[]): Slot {
  return { pattern, sample: () => sample };
}

/** A node of /dev that is given to a container, as pct's devN takes it. */
function node(): string {
  return '/dev/nvidia(ctl|-uvm|-uvm-tools|[0-9]{1,3}),mode=0666';
}

/** Text as a regular expression that is only this text. Without a backslash, which sudoers itself has a use for. */
function literal(text: string): string {
  return text.replace(/[.*+?(){}[|$]/g, '[$&]');
}
