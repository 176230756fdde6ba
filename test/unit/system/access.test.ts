import { describe, expect, it } from 'vitest';
import { accessOf } from '../../../src/system/access.ts';
import { runCommand } from '../../../src/system/command.ts';
import { hostFiles } from '../../../src/system/files.ts';

describe('accessOf', () => {
  it.each(['root', 'none'] as const)('goes straight where sudo is not to be used: %s', (rights) => {
    const access = accessOf({ name: 'x', rights });
    expect(access).toMatchObject({ user: { name: 'x', rights }, files: hostFiles, run: runCommand });
  });

  it.each(['root', 'sudo'] as const)(
    'runs nothing as root that is not in the list of privileged calls: %s',
    async (rights) => {
      const { runAsRoot } = accessOf({ name: 'x', rights });
      await expect(runAsRoot(['/usr/bin/id'], { timeoutSeconds: 1 })).rejects.toThrow('not among the privileged calls');
    },
  );

  it('has another way to root for a user with sudo, and the same for everything else', () => {
    const access = accessOf({ name: 'runner', rights: 'sudo' });
    expect(access.run).toBe(runCommand);
    expect(access.runAsRoot).not.toBe(runCommand);
    expect(access.files.read).not.toBe(hostFiles.read);
    expect(access.files.list).toBe(hostFiles.list);
  });
});
