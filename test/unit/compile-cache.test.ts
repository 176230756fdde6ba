import { chmodSync, existsSync, mkdirSync, renameSync, statSync, symlinkSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { compileCache } from '../../src/compile-cache.ts';
import { State } from '../../src/system/state.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const { username } = userInfo();

let state: string;
let own: string;

beforeEach(() => {
  state = join(temporaryDirectory(), 'state');
  own = join(state, username);
  mkdirSync(own, { recursive: true, mode: 0o755 });
});

it("is a directory of this user alone, in this user's state directory", () => {
  expect(own).toBe(new State(username, state).own);
  expect(compileCache(state)).toBe(join(own, 'compiled'));
  expect(statSync(join(own, 'compiled')).mode & 0o777).toBe(0o700);
  expect(compileCache(state)).toBe(join(own, 'compiled'));
});

it('makes no state directory', () => {
  renameSync(own, `${own}-moved`);
  expect(compileCache(state)).toBeNull();
  expect(existsSync(own)).toBe(false);
});

it("is none where others can write to this user's state directory", () => {
  chmodSync(own, 0o775);
  expect(compileCache(state)).toBeNull();
  expect(existsSync(join(own, 'compiled'))).toBe(false);
});

it('is none where somebody has put a link, or a directory that others can write to, in its place', () => {
  symlinkSync(temporaryDirectory(), join(own, 'compiled'));
  expect(compileCache(state)).toBeNull();
  renameSync(join(own, 'compiled'), join(own, 'link'));
  mkdirSync(join(own, 'compiled'));
  chmodSync(join(own, 'compiled'), 0o777);
  expect(compileCache(state)).toBeNull();
});
