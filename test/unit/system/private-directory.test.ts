import { chmodSync, chownSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { whyNotPrivate } from '../../../src/system/private-directory.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const uid = process.getuid?.() ?? 0;

let top: string;
let path: string;

beforeEach(() => {
  top = temporaryDirectory();
  path = join(top, 'a', 'b');
  mkdirSync(path, { recursive: true, mode: 0o755 });
});

it("is nobody else's, also where the temporary directory of all is above it", () => {
  expect(whyNotPrivate(path, uid)).toBeNull();
  chmodSync(join(top, 'a'), 0o1777);
  expect(whyNotPrivate(path, uid)).toBeNull();
});

it.each(['a', 'a/b'])('is not where others can write to %s', (name) => {
  for (const mode of [0o775, 0o757]) {
    chmodSync(join(top, name), mode);
    expect(whyNotPrivate(path, uid)).toBe(`others can write to ${join(top, name)}`);
  }
});

it('is not where others can write to it, though they can remove nothing there', () => {
  chmodSync(path, 0o1777);
  expect(whyNotPrivate(path, uid)).toBe(`others can write to ${path}`);
});

it.each(['a', 'a/b'])('is not where %s is a link, or a file', (name) => {
  const directory = join(top, name);
  renameSync(directory, `${directory}-moved`);
  symlinkSync(`${directory}-moved`, directory);
  expect(whyNotPrivate(path, uid)).toBe(`${directory} is no directory, or a link to one`);
  writeFileSync(join(top, 'file'), '');
  expect(whyNotPrivate(join(top, 'file'), uid)).toContain('is no directory');
});

it('throws where there is nothing', () => {
  expect(() => whyNotPrivate(join(path, 'c'), uid)).toThrow('ENOENT');
});

describe('of another user', () => {
  it('is not private, whoever asks', () => {
    expect(whyNotPrivate(path, uid + 1)).toBe(`${path} belongs to another user (id ${uid})`);
  });

  it.runIf(uid === 0)('nor is what is below it', () => {
    chownSync(join(top, 'a'), 65534, 65534);
    expect(whyNotPrivate(path, uid)).toBe(`${join(top, 'a')} belongs to another user (id 65534)`);
  });

  it.runIf(uid === 0)("but may be below root's", () => {
    chownSync(path, 65534, 65534);
    expect(whyNotPrivate(path, 65534)).toBeNull();
  });
});
