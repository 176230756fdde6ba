import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Journal, type JournalEntry } from '../../../src/apply/journal.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const ENTRY: JournalEntry = {
  ctid: 901,
  run: 'https://github.example/o/r/actions/runs/1',
  since: '2026-11-22T22:00:00.000Z',
  snapshot: 'nvidia-0a1b2c3d',
  directory: '/var/tmp/proxmox-lxc-nvidia',
  passthrough: [],
  restarts: false,
  phase: 'begun',
  step: 'take a snapshot',
};

describe('Journal', () => {
  it('keeps the last entry of a container, for its owner alone, and nothing beside it', async () => {
    const directory = join(temporaryDirectory(), 'not/made/yet');
    const journal = new Journal(901, directory);
    expect(await journal.read()).toBeNull();
    await journal.write(ENTRY);
    await journal.write({ ...ENTRY, phase: 'proven', step: 'drop the snapshot' });
    expect(await new Journal(901, directory).read()).toEqual({ ...ENTRY, phase: 'proven', step: 'drop the snapshot' });
    expect(await new Journal(902, directory).read()).toBeNull();
    expect(readdirSync(directory)).toEqual(['901.json']);
    expect(statSync(join(directory, '901.json')).mode & 0o777).toBe(0o600);
    await journal.remove();
    expect(readdirSync(directory)).toEqual([]);
    await journal.remove();
  });

  it('takes no half written entry for one', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, '901.json.partial'), '{"ctid": 901');
    const journal = new Journal(901, directory);
    expect(await journal.read()).toBeNull();
    await journal.write(ENTRY);
    expect(await journal.read()).toEqual(ENTRY);
  });

  it('reads an entry of a version that passed nothing through', async () => {
    const directory = temporaryDirectory();
    const { passthrough: _passthrough, restarts: _restarts, ...old } = ENTRY;
    writeFileSync(join(directory, '901.json'), JSON.stringify(old));
    expect(await new Journal(901, directory).read()).toEqual(ENTRY);
  });

  it('throws for what is no entry, rather than forget it', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, '901.json'), '{"ctid": 901}');
    await expect(new Journal(901, directory).read()).rejects.toMatchObject({ code: 'JOURNAL_FAILED' });
  });

  it('names an entry that can not be read', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, '901.json'));
    await expect(new Journal(901, directory).read()).rejects.toMatchObject({ code: 'JOURNAL_FAILED' });
  });
});
