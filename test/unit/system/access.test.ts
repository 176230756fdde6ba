import { describe, expect, it } from 'vitest';
import { markerFor } from '../../../src/proxmox/privileged-calls.ts';
import { accessOf, onlyPrivileged } from '../../../src/system/access.ts';
import { runCommand } from '../../../src/system/command.ts';
import { hostFiles } from '../../../src/system/files.ts';

describe('accessOf', () => {
  it.each(['root', 'none'] as const)('goes straight where sudo is not to be used: %s', async (rights) => {
    const { runAsRoot, ...access } = accessOf({ name: 'x', rights });
    expect(access).toMatchObject({ user: { name: 'x', rights }, files: hostFiles, run: runCommand });
    expect(await runAsRoot(markerFor([]), { timeoutSeconds: 30 })).toMatchObject({ exitCode: 0 });
  });

  it.each(['root', 'sudo', 'none'] as const)('starts nothing that the list of calls lacks: %s', async (rights) => {
    const { runAsRoot } = accessOf({ name: 'x', rights });
    await expect(runAsRoot(['/bin/echo', 'x'], { timeoutSeconds: 30 })).rejects.toThrow('list of privileged calls');
  });

  it('has another way to root for a user with sudo, and the same for everything else', () => {
    const access = accessOf({ name: 'runner', rights: 'sudo' });
    expect(access.run).toBe(runCommand);
    expect(access.runAsRoot).not.toBe(runCommand);
    expect(access.files.read).not.toBe(hostFiles.read);
    expect(access.files.list).toBe(hostFiles.list);
  });
});

it('onlyPrivileged hands on what is in the list', async () => {
  const asked: unknown[] = [];
  const run = onlyPrivileged(async (...call) => {
    asked.push(call);
    return { exitCode: 7, stdout: '', stderr: '' };
  });
  const call = ['/usr/sbin/pct', 'start', '901'] as const;
  expect(await run(call, { timeoutSeconds: 1 })).toMatchObject({ exitCode: 7 });
  await expect(run(['/usr/sbin/pct', 'stop', '901'], { timeoutSeconds: 1 })).rejects.toThrow('pct stop 901');
  expect(asked).toEqual([[call, { timeoutSeconds: 1 }]]);
});
