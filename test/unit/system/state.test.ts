import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  firstUnusable,
  giveToOwnerOf,
  makeStateDirectory,
  removeDurably,
  writeDurably,
} from '../../../src/system/state.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** A directory that, where these tests run as root, belongs to somebody else. */
function directoryOfTheRunner(): { directory: string; uid: number } {
  const directory = temporaryDirectory();
  if (process.getuid?.() === 0) chownSync(directory, 1500, 1500);
  return { directory, uid: statSync(directory).uid };
}

describe('state shared by root and a user', () => {
  it('makes directories for the owner of the one they lie in, for nobody else to read', async () => {
    const { directory, uid } = directoryOfTheRunner();
    await makeStateDirectory(join(directory, 'a/b'));
    await makeStateDirectory(join(directory, 'a/b'));
    for (const path of ['a', 'a/b']) {
      expect(statSync(join(directory, path))).toMatchObject({ uid, gid: uid });
      expect(statSync(join(directory, path)).mode & 0o777).toBe(0o700);
    }
    expect(statSync(directory).uid).toBe(uid);
  });

  it("leaves the owner of a directory that is there alone, and gives files that directory's", async () => {
    const { directory, uid } = directoryOfTheRunner();
    mkdirSync(join(directory, 'there'));
    const before = statSync(join(directory, 'there')).uid;
    await makeStateDirectory(join(directory, 'there'));
    expect(statSync(join(directory, 'there')).uid).toBe(before);
    await using file = await open(join(directory, 'file'), 'w');
    await giveToOwnerOf(directory, file);
    expect((await file.stat()).uid).toBe(uid);
  });
});

describe('a file that is written durably', () => {
  it("is there at once, for the directory's owner alone, with nothing beside it", async () => {
    const { directory, uid } = directoryOfTheRunner();
    const path = join(directory, 'not/made/yet/901.json');
    await writeDurably(path, 'one');
    await writeDurably(path, 'two');
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(statSync(path)).toMatchObject({ uid, gid: uid });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(dirname(path))).toEqual(['901.json']);
    await removeDurably(path);
    await removeDurably(path);
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  it('takes the place of what an interrupted run left half written', async () => {
    const path = join(temporaryDirectory(), '901.json');
    writeFileSync(`${path}.partial`, 'longer than what is written now');
    await writeDurably(path, 'whole');
    expect(readFileSync(path, 'utf8')).toBe('whole');
    expect(existsSync(`${path}.partial`)).toBe(false);
  });

  it('leaves nothing half written when it fails, and throws why it did', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, '901.json');
    mkdirSync(path);
    await expect(writeDurably(path, 'one')).rejects.toMatchObject({ code: 'EISDIR' });
    expect(readdirSync(directory)).toEqual(['901.json']);
    rmSync(directory, { recursive: true });
    writeFileSync(directory, 'a file where the directory was');
    await expect(writeDurably(path, 'one')).rejects.toMatchObject({ code: 'EEXIST' });
  });
});

describe('firstUnusable', () => {
  it('is null where all can be read and written', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'journal'));
    writeFileSync(join(directory, 'journal/901.json'), '');
    expect(await firstUnusable(directory)).toBeNull();
  });

  it('names what is missing, and what can be opened by nobody', async () => {
    const directory = temporaryDirectory();
    expect(await firstUnusable(join(directory, 'missing'))).toBe(join(directory, 'missing'));
    mkdirSync(join(directory, 'locks'));
    symlinkSync('/nonexistent', join(directory, 'locks/link'));
    chmodSync(join(directory, 'locks'), 0o700);
    expect(await firstUnusable(directory)).toBe(join(directory, 'locks/link'));
  });
});
