import { userInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { userNow } from '../../../src/system/user.ts';

describe('userNow', () => {
  it.each([
    ['auto', 0, 'root'],
    ['never', 0, 'root'],
    ['auto', 1500, 'sudo'],
    ['never', 1500, 'none'],
  ] as const)('with sudo: %s the id %i has the rights of %s', (sudo, uid, rights) => {
    expect(userNow(sudo, uid).rights).toBe(rights);
  });

  it('knows its own name, and shows an id without one as sudoers writes it', () => {
    expect(userNow('auto').name).toBe(userInfo().username);
    expect(userNow('auto', 4_000_000).name).toBe('#4000000');
  });
});
