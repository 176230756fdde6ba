import { userInfo } from 'node:os';

/** The user that this process runs as, and how it gets what only root may do. */
export interface User {
  /** Login name, or `#1500` where the id has none; sudoers takes both. */
  name: string;
  /** `none`: not root, and sudo isn't to be used. */
  rights: 'root' | 'sudo' | 'none';
}

/** The user of this process. @param sudo whether sudo may be used where it isn't root */
export function userNow(sudo: 'auto' | 'never', uid = process.getuid?.() ?? 0): User {
  const rights = uid === 0 ? 'root' : sudo === 'auto' ? 'sudo' : 'none';
  return { name: nameOf(uid), rights };
}

function nameOf(uid: number): string {
  try {
    const user = userInfo();
    return user.uid === uid ? user.username : `#${uid}`;
  } catch {
    return `#${uid}`; // no entry in the user database
  }
}
