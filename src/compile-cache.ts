import { mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { whyNotPrivate } from './system/private-directory.ts';
import { STATE_DIRECTORY, userDirectory } from './system/state-paths.ts';

/**
 * A directory for V8's compiled code, which is run as it is found there: nobody but this user, and root, can have written to it.
 * It is below this user's own state directory, and made there if that exists already. Never in the tool cache.
 *
 * @returns null where there is none, or where anybody else could write to it, or replace it or a directory above it
 */
export function compileCache(state = STATE_DIRECTORY): string | null {
  try {
    const { uid, username } = userInfo();
    const own = join(state, userDirectory(username, uid));
    if (whyNotPrivate(own, uid) !== null) return null;
    const directory = join(own, 'compiled');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return whyNotPrivate(directory, uid) === null ? directory : null;
  } catch {
    return null;
  }
}
