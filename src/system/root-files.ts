import { ActionError } from '../errors.ts';
import { isPrivilegedCall } from '../proxmox/privileged-calls.ts';
import type { RunCommand } from './command.ts';
import type { HostFiles } from './files.ts';
import { lastLines } from './text.ts';

/**
 * Reads as root what this user may not read below /etc/pve: those files that privileged-calls.ts names, and no other. The
 * directories there are open to all (docs/facts.md, P10).
 *
 * @throws ActionError HOST_NOT_ROOT when root may not either
 */
export function filesAsRoot(files: HostFiles, runAsRoot: RunCommand): HostFiles {
  return {
    ...files,
    read: async (path) => {
      const cat = ['/bin/cat', '--', path] as const;
      try {
        return await files.read(path);
      } catch (error) {
        const denied = (error as NodeJS.ErrnoException).code === 'EACCES';
        if (!denied || !isPrivilegedCall(cat)) throw error;
      }
      const { exitCode, stdout, stderr } = await runAsRoot(cat, { timeoutSeconds: 30 });
      if (exitCode === 0) return stdout;
      // It can have gone meanwhile. The text is cat's own in the locale C.UTF-8; sudo's warnings may stand before it.
      if (/^\/bin\/cat: .*: No such file or directory$/m.test(stderr)) return null;
      throw new ActionError(
        'HOST_NOT_ROOT',
        `${path} could not be read as root (exit code ${exitCode}).`,
        'What the user of the runner needs stands in docs/sudoers of this action.',
        lastLines(stderr, 5),
      );
    },
  };
}
