import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hostFiles } from '../../../src/system/files.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

describe('hostFiles', () => {
  it('reads texts, directories and links', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'nodes'));
    writeFileSync(join(directory, 'nodes/b'), 'text\n');
    writeFileSync(join(directory, 'nodes/a'), '');
    symlinkSync('nodes/pve1', join(directory, 'local'));
    expect(await hostFiles.read(join(directory, 'nodes/b'))).toBe('text\n');
    expect(await hostFiles.list(join(directory, 'nodes'))).toEqual(['a', 'b']);
    expect(await hostFiles.link(join(directory, 'local'))).toBe('nodes/pve1');
  });

  it('answers null or nothing for what is not there', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'file'), '');
    for (const path of [join(directory, 'none'), join(directory, 'file/below')]) {
      expect(await hostFiles.read(path)).toBeNull();
      expect(await hostFiles.list(path)).toEqual([]);
      expect(await hostFiles.link(path)).toBeNull();
      expect(await hostFiles.device(path)).toBeNull();
    }
  });

  it('throws what is no absence', async () => {
    await expect(hostFiles.read(temporaryDirectory())).rejects.toThrow('EISDIR');
  });

  it('tells the numbers of a character device', async () => {
    expect(await hostFiles.device('/dev/null')).toMatchObject({ major: 1, minor: 3 });
    expect(await hostFiles.device('/dev/urandom')).toMatchObject({ major: 1, minor: 9 });
  });

  it('takes a file or directory for no device', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'nvidia0'), '');
    expect(await hostFiles.device(join(directory, 'nvidia0'))).toBeNull();
    expect(await hostFiles.device(directory)).toBeNull();
  });
});
