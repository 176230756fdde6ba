import { lstatSync } from 'node:fs';
import { dirname } from 'node:path';

/** May write for the group, or for all. */
const OTHERS_WRITE = 0o022;

/** In such a directory, whoever may write to it can neither rename nor remove what is another user's. */
const STICKY = 0o1000;

/**
 * Why others than a user and root could write to a directory, or put another one in its place; null: nobody could. Looks at
 * the directory itself and at all above it, and follows no link.
 *
 * @param path absolute, as it is used afterwards
 * @throws where one of them can't be looked at, e.g. because it isn't there
 */
export function whyNotPrivate(path: string, uid: number): string | null {
  for (let directory = path; ; directory = dirname(directory)) {
    const found = lstatSync(directory);
    const owners = directory === path ? [uid] : [uid, 0];
    if (!found.isDirectory()) return `${directory} is no directory, or a link to one`;
    if (!owners.includes(found.uid)) return `${directory} belongs to another user (id ${found.uid})`;
    const sticky = directory !== path && (found.mode & STICKY) !== 0;
    if ((found.mode & OTHERS_WRITE) !== 0 && !sticky) return `others can write to ${directory}`;
    if (directory === dirname(directory)) return null;
  }
}
