import { describe, expect, it } from 'vitest';
import { MARKER, PRIVILEGED_CALLS } from '../../../src/proxmox/privileged-calls.ts';
import { ruleFor, sudoersFor } from '../../../src/proxmox/sudoers.ts';

describe('sudoersFor', () => {
  it('has one rule for each call, and the user once', () => {
    const lines = sudoersFor('ci').split('\n');
    expect(lines[0]).toBe('User_Alias PROXMOX_LXC_NVIDIA_RUNNER = ci');
    const rules = lines.filter((line) => line.includes('NOPASSWD'));
    expect(rules).toEqual([...PRIVILEGED_CALLS, MARKER].map((call) => ruleFor('PROXMOX_LXC_NVIDIA_RUNNER', call)));
    for (const rule of rules) expect(rule).toMatch(/^\w+ ALL=\(root\) NOPASSWD: \/usr\/bin\/timeout \^-k 10 .*\$$/);
  });

  it('rests on no setting of the host: no PATH and no variable of the caller', () => {
    expect(sudoersFor('ci')).toMatch(/^Defaults:\w+ env_reset, !setenv, .*secure_path="[^"]*"$/m);
    expect(sudoersFor('ci', 'open')).toMatch(/^Defaults:\w+ env_reset, !setenv, .*secure_path="[^"]*"$/m);
  });

  it('opens whole programs for an old sudo', () => {
    const rules = sudoersFor('ci', 'open').split('\n').slice(2);
    expect(rules.map((rule) => rule.split(': ')[1])).toEqual([
      '/usr/bin/timeout -k 10 * /usr/sbin/pct *',
      '/usr/bin/timeout -k 10 * /usr/bin/lxc-freeze *',
      '/usr/bin/timeout -k 10 * /usr/bin/lxc-unfreeze *',
      '/usr/bin/timeout -k 10 * /bin/cat *',
      '/usr/bin/timeout -k 10 * /usr/bin/touch *',
      expect.stringMatching(/^\/usr\/bin\/timeout -k 10 \* \/bin\/true proxmox-lxc-nvidia-[0-9a-f]{12}-*\*$/),
    ]);
  });
});
