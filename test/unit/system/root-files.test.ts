import { describe, expect, it } from 'vitest';
import type { CommandResult, RunCommand } from '../../../src/system/command.ts';
import { filesAsRoot } from '../../../src/system/root-files.ts';
import { failureOf } from '../helpers/failure.ts';
import { hostFilesOf } from '../helpers/host-files.ts';

/** A host whose files outside of `open` say EACCES; root's cat answers as given. */
function closed(answer: Partial<CommandResult> = {}, open: Record<string, string> = {}) {
  const asked: (readonly string[])[] = [];
  const run: RunCommand = async (argv) => {
    asked.push(argv);
    return { exitCode: 0, stdout: '', stderr: '', ...answer };
  };
  const files = filesAsRoot(
    {
      ...hostFilesOf({}),
      read: async (path) => {
        const text = open[path];
        if (text !== undefined) return text;
        throw Object.assign(new Error(`EACCES: ${path}`), { code: 'EACCES' });
      },
    },
    run,
  );
  return { files, asked };
}

describe('filesAsRoot', () => {
  it('reads what it may by itself', async () => {
    const { files, asked } = closed({}, { '/etc/pve/lxc/901.conf': 'hostname: x\n' });
    expect(await files.read('/etc/pve/lxc/901.conf')).toBe('hostname: x\n');
    expect(asked).toEqual([]);
  });

  it('reads the rest of /etc/pve as root', async () => {
    const { files, asked } = closed({ stdout: 'dir: local\n' });
    expect(await files.read('/etc/pve/storage.cfg')).toBe('dir: local\n');
    expect(asked).toEqual([['/bin/cat', '--', '/etc/pve/storage.cfg']]);
  });

  it('takes what has gone meanwhile for absent', async () => {
    const warning = 'sudo: unable to resolve host vm: Name or service not known\n';
    const stderr = `${warning}/bin/cat: /etc/pve/lxc/901.conf: No such file or directory\n`;
    expect(await closed({ exitCode: 1, stderr }).files.read('/etc/pve/lxc/901.conf')).toBeNull();
  });

  it('asks root for nothing else', async () => {
    const { files, asked } = closed();
    await expect(files.read('/etc/shadow')).rejects.toThrow('EACCES');
    await expect(files.read('/proc/1/cmdline')).rejects.toThrow('EACCES');
    for (const path of ['/etc/pve/priv/authkey.key', '/etc/pve/../shadow', '/etc/pve/lxc/901.conf/../../x']) {
      await expect(files.read(path), path).rejects.toThrow('EACCES');
    }
    expect(asked).toEqual([]);
  });

  it('does not take a refusal for an absent file', async () => {
    const { files } = closed({ exitCode: 1, stderr: 'sudo: a password is required\n' });
    const failure = await failureOf(() => files.read('/etc/pve/storage.cfg'));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT', details: 'sudo: a password is required' });
  });
});
