import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  checkOwnSum,
  checkRoom,
  checkRunfile,
  DamagedArchive,
  unpackArchive,
  unpackedLimit,
} from '../../../src/runfile/archive.ts';
import { runCommand } from '../../../src/system/command.ts';
import { DRIVER } from '../helpers/facts.ts';
import { failureOf } from '../helpers/failure.ts';
import { runfileOf } from '../helpers/runfile.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** Longer than what is read of the head at once, and not to be guessed. */
const ARCHIVE = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 31 + (index >> 7)) % 256));
const WANTED = { version: DRIVER, architecture: 'x86_64' } as const;

/** A file with these bytes. */
function file(content: Buffer): string {
  const path = join(temporaryDirectory(), 'a file.run');
  writeFileSync(path, content);
  return path;
}

/** Unpacks a runfile of these bytes. */
async function unpack(content: Buffer, run = runCommand) {
  const archive = join(temporaryDirectory(), 'an archive');
  await unpackArchive(run, file(content), archive, 20);
  return readFileSync(archive);
}

describe('checkRunfile', () => {
  const check = (content: Buffer) => checkRunfile(file(content), 'https://x.example/x.run', WANTED);

  it('is content with the right version and architecture, and with a stub that names neither', async () => {
    await check(runfileOf(ARCHIVE));
    await check(runfileOf(ARCHIVE, { version: null, architecture: null }));
    await check(runfileOf(ARCHIVE, { version: `${DRIVER}-grid` }));
  });

  it.each<[string, Buffer, RegExp]>([
    ['a page of HTML', Buffer.from('<html>Log in</html>'), /it is no script/],
    ['nothing', Buffer.alloc(0), /it is no script/],
    ['another script', Buffer.from('#!/bin/sh\nexit 0\n'), /does not say where the archive begins/],
    ['a stub alone', Buffer.from('#!/bin/sh\nskip=4\n#\n'), /its archive begins with nothing/],
    ['fewer lines than it says', Buffer.from('#!/bin/sh\nskip=40\n'), /does not say where the archive begins/],
    ['another compression', runfileOf(ARCHIVE, { compression: 'none' }), /its archive begins with 001f3e5d/],
    [
      'another version',
      runfileOf(ARCHIVE, { version: '550.163.01' }),
      /of driver 550\.163\.01 for x86_64, wanted is 580/,
    ],
    ['another architecture', runfileOf(ARCHIVE, { architecture: 'aarch64' }), /for aarch64, wanted is .* for x86_64/],
  ])('refuses %s, naming where it came from', async (_what, content, why) => {
    const failure = await failureOf(() => check(content));
    expect(failure.code).toBe('RUNFILE_UNUSABLE');
    expect(failure.message).toMatch(why);
    expect(failure.message).toContain('https://x.example/x.run is not the runfile');
  });
});

describe('checkRoom', () => {
  it('refuses what four times its size has no room for', async () => {
    await checkRoom(temporaryDirectory(), 1000);
    const failure = await failureOf(() => checkRoom(temporaryDirectory(), 1e15));
    expect(failure.code).toBe('RUNFILE_UNUSABLE');
    expect(failure.remedy).toContain('Make room for some 3638.0 TiB');
  });
});

describe('unpackArchive', () => {
  it('cuts out and decompresses the archive, and runs nothing of the runfile', async () => {
    expect(await unpack(runfileOf(ARCHIVE))).toEqual(ARCHIVE);
  });

  it('notices that the archive was cut off', async () => {
    const whole = runfileOf(ARCHIVE);
    const failure = await failureOf(() => unpack(whole.subarray(0, whole.length - 20)));
    expect(failure).toBeInstanceOf(DamagedArchive);
    expect(failure.code).toBe('RUNFILE_UNUSABLE');
    expect(failure.seen).toContain('gzip could not unpack');
  });

  it.each<[string, { exitCode: number; stderr: string }, RegExp]>([
    ['the program is missing', { exitCode: 127, stderr: 'sh: 1: /usr/bin/zstd: not found' }, /apt-get install zstd/],
    ['the disk is full', { exitCode: 70, stderr: 'zstd: error 70: No space left on device' }, /Make room/],
    ['a quota is used up', { exitCode: 70, stderr: 'zstd: error 70: Disk quota exceeded' }, /Make room/],
  ])('says what to do when %s', async (_what, answer, remedy) => {
    const failure = await failureOf(() =>
      unpack(runfileOf(ARCHIVE, { compression: 'zstd' }), async () => ({ stdout: '', ...answer })),
    );
    expect(failure.code).toBe('RUNFILE_UNUSABLE');
    expect(failure.remedy).toMatch(remedy);
    expect(failure).not.toBeInstanceOf(DamagedArchive);
  });
});

describe('a hostile runfile', () => {
  const MIB = 1024 * 1024;
  const LIMIT = 2 * MIB;
  const STUB = Buffer.from('#!/bin/sh\nskip=3\n');

  /** Unpacks a runfile of these bytes within a limit. @returns the failure, and what is left of the archive */
  async function refused(content: Buffer, limit = LIMIT) {
    const archive = join(temporaryDirectory(), 'archive');
    const failure = await failureOf(() => unpackArchive(runCommand, file(content), archive, 60, limit));
    expect(failure).toBeInstanceOf(DamagedArchive);
    expect(failure.code).toBe('RUNFILE_UNUSABLE');
    expect(existsSync(archive)).toBe(false);
    return `${failure.message}\n${failure.details}`;
  }

  // zstd is among the lab's packages, not everywhere where unit tests run.
  const zstd = existsSync('/usr/bin/zstd');

  it.each([['gzip'], ['xz'], ...(zstd ? [['zstd'] as const] : [])] as ['gzip' | 'xz' | 'zstd'][])(
    'that unpacks to far more than a driver has is stopped at the limit (%s)',
    async (compression) => {
      const bomb = runfileOf(Buffer.alloc(16 * MIB), { compression });
      expect(bomb.length).toBeLessThan(MIB);
      expect(await refused(bomb)).toContain('unpacks to more than 2.0 MiB');
    },
    60_000,
  );

  it('that unpacks to just the limit is none', async () => {
    const archive = join(temporaryDirectory(), 'archive');
    await unpackArchive(runCommand, file(runfileOf(Buffer.alloc(LIMIT))), archive, 60, LIMIT);
    expect(statSync(archive).size).toBe(LIMIT);
  });

  it('has a limit by its own size', () => {
    expect(unpackedLimit(398_016_015)).toBeGreaterThan(1.3 * 1.5e9);
    expect(unpackedLimit(263_159)).toBeLessThan(600 * MIB);
  });

  it('whose dictionary needs more memory than any driver is refused before it is taken (xz)', async () => {
    const archive = execFileSync('/usr/bin/xz', ['-0c', '-C', 'none'], { input: 'x' });
    // The first block's header (The .xz File Format, 3.1): size, flags, filter LZMA2 and its one property, the dictionary's size.
    expect(archive.subarray(12, 16)).toEqual(Buffer.from([0x02, 0x00, 0x21, 0x01]));
    archive[16] = 36; // 1 GiB
    archive.writeUInt32LE(crc32(archive.subarray(12, 20)), 20);
    expect(await refused(Buffer.concat([STUB, archive]))).toMatch(/[Mm]emory usage limit/);
  });

  it.skipIf(!zstd)('whose window needs more memory than any driver is refused before it is taken (zstd)', async () => {
    // Magic number; a frame that tells no content size, its window of 2^31 bytes; one empty raw block, the last (RFC 8878, 3.1).
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x01, 0x00, 0x00]);
    expect(await refused(Buffer.concat([STUB, frame]))).toMatch(/[Ww]indow|memory/);
  });

  it('is written through no link that lies where the archive is to be', async () => {
    const victim = file(Buffer.from('of the host'));
    const link = join(temporaryDirectory(), 'archive');
    symlinkSync(victim, link);
    await failureOf(() => unpackArchive(runCommand, file(runfileOf(ARCHIVE)), link, 60));
    expect(readFileSync(victim, 'utf8')).toBe('of the host');
  });
});

describe('checkOwnSum', () => {
  const check = (content: Buffer) => checkOwnSum(file(content), 'https://x.example/x.run');

  it('is content with the right one', async () => {
    await check(runfileOf(ARCHIVE));
  });

  it('notices a byte that changed', async () => {
    const content = runfileOf(ARCHIVE);
    content[content.length - 20] = (content[content.length - 20] ?? 0) ^ 1;
    const failure = await failureOf(() => check(content));
    expect(failure.code).toBe('RUNFILE_UNUSABLE');
    expect(failure.message).toMatch(/its MD5 sum is [0-9a-f]{32}, it says [0-9a-f]{32}/);
  });

  it('refuses a runfile without one', async () => {
    expect((await failureOf(() => check(runfileOf(ARCHIVE, { md5: 'none' })))).message).toContain('carries no MD5 sum');
  });
});
