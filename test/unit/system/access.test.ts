import { describe, expect, it } from 'vitest';
import { accessOf } from '../../../src/system/access.ts';
import { runCommand } from '../../../src/system/command.ts';
import { hostFiles } from '../../../src/system/files.ts';

describe('accessOf', () => {
  it.each(['root', 'none'] as const)('goes straight where sudo is not to be used: %s', (rights) => {
    const access = accessOf({ name: 'x', rights });
    expect(access).toEqual({ user: { name: 'x', rights }, files: hostFiles, run: runCommand, runAsRoot: runCommand });
  });

  it('has another way to root for a user with sudo, and the same for everything else', () => {
    const access = accessOf({ name: 'runner', rights: 'sudo' });
    expect(access.run).toBe(runCommand);
    expect(access.runAsRoot).not.toBe(runCommand);
    expect(access.files.read).not.toBe(hostFiles.read);
    expect(access.files.list).toBe(hostFiles.list);
  });
});
