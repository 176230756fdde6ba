import { lstatSync, mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
/** Where this action keeps what is a user's own: a directory for each. */
const STATE = '/var/lib/proxmox-lxc-nvidia';
/** May write for the group, or for all. */
const OTHERS_WRITE = 0o022;
/**
 * A directory for V8's compiled code, which is run as it is found there: nobody but this user, and root, can have written to it.
 * It is below this user's own state directory, and made there if that exists already. Never in the tool cache, nor below /tmp.
 *
 * @param top the directory up to which that is looked at; a test's own is below one of others
 * @returns null where there is none, or where anybody else could write to it, or replace it or a directory above it
 */
export function compileCache(state = STATE, top = '/') {
    try {
        const { uid, username } = userInfo();
        if (!/^\w[\w.-]*$/.test(username))
            return null;
        const own = join(state, username);
        if (!isPrivate(own, uid, top))
            return null;
        const directory = join(own, 'compiled');
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        return isPrivate(directory, uid, top) ? directory : null;
    }
    catch {
        return null;
    }
}
/** Whether a directory is this user's, and it and all above it can be written to by this user and root alone, links left out. */
function isPrivate(path, uid, top) {
    for (let directory = path;; directory = dirname(directory)) {
        const found = lstatSync(directory);
        const owners = directory === path ? [uid] : [uid, 0];
        if (!found.isDirectory() || !owners.includes(found.uid) || (found.mode & OTHERS_WRITE) !== 0)
            return false;
        if (directory === top)
            return true;
    }
}
