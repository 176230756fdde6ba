import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, statSync, symlinkSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { compileCache } from '../../src/compile-cache.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const { username } = userInfo();
const root = process.getuid?.() === 0;

let top: string;
let state: string;
let own: string;

beforeEach(() => {
  top = temporaryDirectory();
  state = join(top, 'lib', 'state');
  own = join(state, username);
  mkdirSync(own, { recursive: true, mode: 0o755 });
});

const cache = () => compileCache(state, top);

it("is a directory of this user alone, in this user's state directory", () => {
  expect(cache()).toBe(join(own, 'compiled'));
  expect(statSync(join(own, 'compiled')).mode & 0o777).toBe(0o700);
  expect(cache()).toBe(join(own, 'compiled'));
});

it('makes no state directory', () => {
  renameSync(own, `${own}-moved`);
  expect(cache()).toBeNull();
  expect(existsSync(own)).toBe(false);
});

it.each(['lib', 'lib/state', `lib/state/${username}`])('is none where others can write to %s', (directory) => {
  for (const mode of [0o775, 0o757, 0o1777]) {
    chmodSync(join(top, directory), mode);
    expect(cache()).toBeNull();
  }
  expect(existsSync(join(own, 'compiled'))).toBe(false);
});

it.each(['lib', 'lib/state', `lib/state/${username}`])('is none where %s is a link', (directory) => {
  const path = join(top, directory);
  renameSync(path, `${path}-moved`);
  symlinkSync(`${path}-moved`, path);
  expect(cache()).toBeNull();
});

it('is none where somebody has put a link, or a directory that others can write to, in its place', () => {
  const elsewhere = temporaryDirectory();
  symlinkSync(elsewhere, join(own, 'compiled'));
  expect(cache()).toBeNull();
  renameSync(join(own, 'compiled'), join(own, 'link'));
  mkdirSync(join(own, 'compiled'));
  chmodSync(join(own, 'compiled'), 0o777);
  expect(cache()).toBeNull();
});

it.runIf(root).each(['lib', 'lib/state', `lib/state/${username}`])(
  'is none where %s is of another user',
  (directory) => {
    chownSync(join(top, directory), 65534, 65534);
    expect(cache()).toBeNull();
  },
);

it('is none below the temporary directory of all', () => {
  chmodSync(top, 0o1777);
  expect(compileCache(state, top)).toBeNull();
});
