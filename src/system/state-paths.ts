/**
 * What this action keeps on the host. Root's, and writable for nobody else: below it every user has a directory of its own, root
 * too, and all share the one with the files that containers are locked by.
 */
export const STATE_DIRECTORY = '/var/lib/proxmox-lxc-nvidia';

/** The name of the directory with the files that containers are locked by. */
export const LOCKS = 'locks';

/** Login names that directories are called by; other users' are called by the id. */
const USER_DIRECTORY = /^\w[\w.-]*$/;

/** Whether a directory of that name can be a user's: lost+found, which is closed to all but root, can't. */
export function isUserDirectory(name: string): boolean {
  return USER_DIRECTORY.test(name) && name !== LOCKS;
}

/** The name of a user's own directory. @param user login name, or `#1500` where the id has none */
export function userDirectory(user: string, uid: number): string {
  return isUserDirectory(user) ? user : String(uid);
}
