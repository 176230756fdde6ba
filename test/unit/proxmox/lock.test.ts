import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { takeContainerLock } from '../../../src/proxmox/lock.ts';
import { failureOf } from '../helpers/failure.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const options = { waitSeconds: 0.1, cancelled: new AbortController().signal, onWait: () => {} };

describe('takeContainerLock', () => {
  it('is refused for a container that another run works on, and for that one only', async () => {
    const directory = temporaryDirectory();
    const lock = await takeContainerLock(901, 'run 1', options, directory);
    const failure = await failureOf(() => takeContainerLock(901, 'run 2', options, directory));
    expect(failure.code).toBe('CONTAINER_BUSY');
    expect(failure.message).toContain('Container 901 is being worked on by run 1');
    expect(failure.remedy).toContain('lock-wait-minutes');
    await (await takeContainerLock(902, 'run 2', options, directory)).release();
    await lock.release();
    await (await takeContainerLock(901, 'run 2', options, directory)).release();
  });

  it('names a lock that the host does not take, and follows no link', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'container-901.lock'));
    symlinkSync(join(directory, 'elsewhere'), join(directory, 'container-902.lock'));
    for (const [ctid, why] of [
      [901, 'EISDIR'],
      [902, 'ELOOP'],
    ] as const) {
      const failure = await failureOf(() => takeContainerLock(ctid, 'run 1', options, directory));
      expect(failure.code).toBe('JOURNAL_FAILED');
      expect(failure.seen).toContain(why);
    }
  });
});
