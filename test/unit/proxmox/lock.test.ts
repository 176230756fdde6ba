import { readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { takeContainerLock } from '../../../src/proxmox/lock.ts';
import type { RunCommand } from '../../../src/system/command.ts';
import { State, writeDurably } from '../../../src/system/state.ts';
import { failureOf } from '../helpers/failure.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const options = { waitSeconds: 0.1, cancelled: new AbortController().signal, onWait: () => {} };

/** A host as root has it. */
async function asRoot(root = temporaryDirectory()) {
  const state = new State('root', root);
  await state.make();
  const runAsRoot: RunCommand = () => Promise.reject(new Error('root needs nobody'));
  return { state, user: { name: 'root', rights: 'root' }, runAsRoot } as const;
}

describe('takeContainerLock', () => {
  it('is refused for a container that another run works on, and for that one only', async () => {
    const access = await asRoot();
    const lock = await takeContainerLock(901, 'run 1', access, options);
    const failure = await failureOf(() => takeContainerLock(901, 'run 2', access, options));
    expect(failure.code).toBe('CONTAINER_BUSY');
    expect(failure.message).toContain('Container 901 is being worked on by run 1');
    expect(failure.remedy).toContain('lock-wait-minutes');
    await (await takeContainerLock(902, 'run 2', access, options)).release();
    await lock.release();
    await (await takeContainerLock(901, 'run 2', access, options)).release();
  });

  it('names a lock that the host does not take, and follows no link', async () => {
    const access = await asRoot();
    symlinkSync(join(access.state.root, 'elsewhere'), join(access.state.locks, 'container-901.lock'));
    const failure = await failureOf(() => takeContainerLock(901, 'run 1', access, options));
    expect(failure.code).toBe('JOURNAL_FAILED');
    expect(failure.seen).toContain('ELOOP');
  });

  it('is the same for root and for a user, who has the file made by root and only reads it', async () => {
    const root = await asRoot();
    const asked: string[][] = [];
    const path = join(root.state.locks, 'container-901.lock');
    const user = {
      state: new State('runner', root.state.root),
      user: { name: 'runner', rights: 'sudo' } as const,
      runAsRoot: async (argv: readonly string[]) => {
        asked.push([...argv]);
        writeFileSync(path, '', { mode: 0o644 });
        return { exitCode: 0, stdout: '', stderr: '' };
      },
    };
    const lock = await takeContainerLock(901, 'run 1', user, options);
    expect(asked).toEqual([['/usr/bin/touch', '--', path]]);
    const failure = await failureOf(() => takeContainerLock(901, 'run 2', root, options));
    expect(failure).toMatchObject({ code: 'CONTAINER_BUSY' });
    expect(failure.remedy).toContain(`find /proc/[0-9]*/fd -lname ${path}`);
    await lock.release();
    await (await takeContainerLock(901, 'run 2', root, options)).release();
    await (await takeContainerLock(901, 'run 3', user, options)).release();
    expect(asked).toHaveLength(1);
    expect(readFileSync(path, 'utf8')).toBe('');
  });

  it("fails where root doesn't make the file for a user", async () => {
    const { state } = await asRoot();
    const refused = async () => ({ exitCode: 1, stdout: '', stderr: 'sudo: a password is required' });
    const user = { state, user: { name: 'runner', rights: 'sudo' } as const, runAsRoot: refused };
    const failure = await failureOf(() => takeContainerLock(901, 'run 1', user, options));
    expect(failure).toMatchObject({ code: 'JOURNAL_FAILED', seen: expect.stringContaining('ENOENT') });
  });

  it('is made for everybody who gets there to read, in a place for root and one group', async () => {
    const access = await asRoot();
    const before = process.umask(0o077);
    try {
      await (await takeContainerLock(901, 'run 1', access, options)).release();
    } finally {
      process.umask(before);
    }
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect(mode(join(access.state.locks, 'container-901.lock'))).toBe('644');
    expect(mode(access.state.locks)).toBe('750');
  });

  it('has the file made so that the user can read it, whatever the umask is', async () => {
    const root = await asRoot();
    const path = join(root.state.locks, 'container-901.lock');
    const user = {
      state: new State('runner', root.state.root),
      user: { name: 'runner', rights: 'sudo' } as const,
      runAsRoot: async () => {
        writeFileSync(path, '');
        return { exitCode: 0, stdout: '', stderr: '' };
      },
    };
    const before = process.umask(0o077);
    try {
      await (await takeContainerLock(901, 'run 1', user, options)).release();
      expect(process.umask()).toBe(0o077);
    } finally {
      process.umask(before);
    }
    expect(statSync(path).mode & 0o777).toBe(0o644);
  });

  it('names the user whose run has it, when that is another one', async () => {
    const root = await asRoot();
    const lock = await takeContainerLock(901, 'run 1', root, options);
    await writeDurably(join(root.state.directory('journal'), '901.json'), '');
    const runner = { ...root, state: new State('runner', root.state.root) };
    const failure = await failureOf(() => takeContainerLock(901, 'run 2', runner, options));
    expect(failure.seen).toContain('is being worked on by a run of the user root, for longer than');
    await lock.release();
  });
});
