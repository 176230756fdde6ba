import { describe, expect, it } from 'vitest';
import { isPrivilegedCall, PRIVILEGED_CALLS } from '../../../src/system/privileged-calls.ts';
import { sudoersFor } from '../../../src/system/sudoers.ts';

describe('the list of privileged calls', () => {
  it.each(PRIVILEGED_CALLS)('has a sample of each form: $program $form', ({ program, sample }) => {
    expect(isPrivilegedCall([program, ...sample])).toBe(true);
  });

  it.each([
    ['a program that is not in it', ['/usr/bin/id']],
    ['another subcommand', ['/usr/sbin/pct', 'destroy', '901']],
    ['an option more', ['/usr/sbin/pct', 'start', '901', '--debug']],
    ["a snapshot that isn't this action's", ['/usr/sbin/pct', 'rollback', '901', 'before-upgrade']],
    [
      'an option within a description',
      ['/usr/sbin/pct', 'snapshot', '901', 'nvidia-0123abcd', '--description', 'proxmox-lxc-nvidia: a --b'],
    ],
    ['a file elsewhere', ['/bin/cat', '--', '/etc/pve/lxc/../x.conf']],
    ['nothing', []],
  ])('does not have %s', (_, argv) => {
    expect(isPrivilegedCall(argv)).toBe(false);
  });
});

describe('the rules for sudo', () => {
  it('escape what means something in sudoers, in regular expressions too', () => {
    const commands = sudoersFor({ user: 'runner', kind: 'fence' }).match(/^ {4}.*$/gm) ?? [];
    expect(commands).toHaveLength(PRIVILEGED_CALLS.length + 1);
    for (const command of commands) {
      expect(command.replace(/, \\$/, '')).toMatch(/^ {4}\/usr\/bin\/timeout \^(?:[^,:=\\]|\\[,:=])+\$$/);
    }
  });

  it('of containers by id leave reading and locks open for all', () => {
    const rules = sudoersFor({ user: 'runner', kind: 'fence', ctids: [901, 902] });
    expect(rules).toContain('/usr/sbin/pct start (901|902)$');
    expect(rules).toContain('/etc/pve/lxc/[1-9][0-9]+[.]conf$');
  });
});
