import { describe, expect, it } from 'vitest';
import { refusedContainers, sudoRules } from '../../../src/facts/sudo-rules.ts';
import {
  MARKER,
  markerFor,
  PRIVILEGED_CALLS,
  type PrivilegedCall,
  sampleOf,
} from '../../../src/proxmox/privileged-calls.ts';
import { ruleFor, sudoersFor } from '../../../src/proxmox/sudoers.ts';
import type { HostAccess } from '../../../src/system/access.ts';
import type { CommandResult } from '../../../src/system/command.ts';
import { failureOf } from '../helpers/failure.ts';
import { hostFilesOf } from '../helpers/host-files.ts';

interface Situation {
  /** Calls that sudo's rules lack. */
  lacks?: readonly PrivilegedCall[];
  /** Containers they allow; null: any. */
  only?: readonly number[] | null;
  /** What running as root gives that is allowed. */
  answer?: Partial<CommandResult>;
  version?: string;
}

const PASSWORD = { exitCode: 1, stdout: '', stderr: 'sudo: a password is required\n' };

/** A host whose sudo has rules; each call of a program is noted. */
function host({ lacks = [], only = null, answer = {}, version = '1.9.13p3' }: Situation = {}) {
  const calls: string[] = [];
  const ids = only === null ? [100, 901, 902, 903] : only;
  const allowed = [...PRIVILEGED_CALLS, MARKER]
    .filter((call) => !lacks.includes(call))
    .flatMap((call) => ids.map((ctid) => sampleOf(call, ctid).join(' ')));
  const allows = (argv: readonly string[]) => {
    const asked = argv.slice(markerFor([]).length).map(Number);
    return argv[0] === MARKER.program
      ? !lacks.includes(MARKER) && asked.every((ctid) => ids.includes(ctid))
      : allowed.includes(argv.join(' '));
  };
  const access: Pick<HostAccess, 'user' | 'files' | 'run' | 'runAsRoot'> = {
    user: { name: 'ci', rights: 'sudo' },
    files: hostFilesOf({ '/etc/pve/lxc/902.conf': '', '/etc/pve/lxc/903.conf': '' }),
    run: async (argv) => {
      calls.push(argv.slice(1).join(' '));
      if (argv[1] === '-V') return { exitCode: 0, stdout: `Sudo version ${version}\n`, stderr: '' };
      expect(argv.slice(0, 7)).toEqual(['/usr/bin/sudo', '-n', '-l', '--', '/usr/bin/timeout', '-k', '10']);
      return { exitCode: allows(argv.slice(8)) ? 0 : 1, stdout: '', stderr: '' };
    },
    runAsRoot: async (argv) => {
      calls.push(`as root: ${argv.join(' ')}`);
      return allows(argv) ? { exitCode: 0, stdout: '', stderr: '', ...answer } : PASSWORD;
    },
  };
  return { access, calls };
}

const callOf = (what: string) => {
  const found = PRIVILEGED_CALLS.find((call) => sampleOf(call, 901).join(' ').includes(what));
  if (found === undefined) throw new Error(`no call of ${what}`);
  return found;
};

describe('sudoRules', () => {
  it('costs one call where the rules are of this very list', async () => {
    const { access, calls } = host();
    expect(await sudoRules(access, [901, 902])).toEqual({ kind: 'current', allowed: [901, 902] });
    expect(await refusedContainers(access, { kind: 'current', allowed: [901, 902] }, [901, 902])).toEqual(new Map());
    expect(calls).toEqual([`as root: ${markerFor([901, 902]).join(' ')}`]);
  });

  it('tells rules that lack a container from those that lack a call', async () => {
    const { access, calls } = host({ only: [901] });
    expect(await sudoRules(access, [901, 902])).toEqual({ kind: 'current', allowed: [] });
    expect(calls).toHaveLength(2);
  });

  it('asks for each call where they are not, and is content when none is missing', async () => {
    const { access, calls } = host({ lacks: [MARKER] });
    expect(await sudoRules(access, [901])).toEqual({ kind: 'other', allowed: [] });
    expect(calls.filter((call) => call.startsWith('-n -l'))).toHaveLength(PRIVILEGED_CALLS.length);
    expect(calls.at(-1)).toBe('as root: /bin/cat -- /etc/pve/storage.cfg');
  });

  it.each(['touch', 'shutdown', 'lxc-freeze', 'set 901 --delete', 'exec'])(
    'names the very line that is missing: %s',
    async (what) => {
      const call = callOf(what);
      const failure = await failureOf(() => sudoRules(host({ lacks: [call, MARKER] }).access, [901]));
      expect(failure).toMatchObject({
        code: 'HOST_NOT_ROOT',
        details: `${ruleFor('ci', call)}\n${ruleFor('ci', MARKER)}`,
      });
      expect(failure.seen).toContain(what.replace('901 ', ''));
      expect(failure.remedy).toContain('/etc/sudoers.d/proxmox-lxc-nvidia');
    },
  );

  it('names it in the form that an old sudo understands', async () => {
    const call = callOf('touch');
    const failure = await failureOf(() => sudoRules(host({ lacks: [call, MARKER], version: '1.9.5p2' }).access, [901]));
    expect(failure.details).toBe(`${ruleFor('ci', call, 'open')}\n${ruleFor('ci', MARKER, 'open')}`);
  });

  it.each([
    ['1.9.13p3', 'fence'],
    ['1.9.10', 'fence'],
    ['1.9.9', 'open'],
    ['1.9.5p2', 'open'],
    ['2.0.0', 'fence'],
    ['?', 'fence'],
  ] as const)('shows all rules where there are none: sudo %s, the %s', async (version, form) => {
    const { access } = host({ lacks: [...PRIVILEGED_CALLS, MARKER], version });
    const failure = await failureOf(() => sudoRules(access, [901]));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT', details: sudoersFor('ci', form) });
    expect(failure.seen).toContain('sudo: a password is required');
  });

  it('believes no list: what is listed can still ask for a password', async () => {
    const failure = await failureOf(() => sudoRules(host({ lacks: [MARKER], answer: PASSWORD }).access, [901]));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT', details: sudoersFor('ci') });
  });

  it('takes a file that is not there for one that may be read', async () => {
    const answer = { exitCode: 1, stderr: '/bin/cat: /etc/pve/storage.cfg: No such file or directory\n' };
    expect(await sudoRules(host({ lacks: [MARKER], answer }).access, [901])).toMatchObject({ kind: 'other' });
  });

  it('finds a container that narrow rules of an older list allow, by itself where none is named', async () => {
    const call = callOf('touch');
    const { access } = host({ lacks: [call, MARKER], only: [903] });
    const failure = await failureOf(() => sudoRules(access, []));
    expect(failure.details).toBe(`${ruleFor('ci', call)}\n${ruleFor('ci', MARKER)}`);
  });
});

describe('refusedContainers', () => {
  it('costs one call where all are allowed', async () => {
    const { access, calls } = host();
    expect(await refusedContainers(access, { kind: 'current', allowed: [] }, [901, 902])).toEqual(new Map());
    expect(calls).toEqual([`as root: ${markerFor([901, 902]).join(' ')}`]);
  });

  it.each(['current', 'other'] as const)('names those that are not, where the rules are: %s', async (kind) => {
    const { access } = host({ only: [901, 903] });
    const refused = await refusedContainers(access, { kind, allowed: [] }, [901, 902, 903]);
    expect([...refused.keys()]).toEqual([902]);
    expect(refused.get(902)).toMatchObject({ code: 'CONTAINER_NOT_ALLOWED' });
    expect(refused.get(902)?.seen).toContain('container 902');
  });
});
