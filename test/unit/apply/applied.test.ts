import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AppliedPlan } from '../../../src/apply/applied.ts';
import { failureOf } from '../helpers/failure.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const part = (run: string) => ({ digest: `sha256:${'ef'.repeat(32)}`, run, at: '2026-11-23T12:00:00Z' });

describe('AppliedPlan', () => {
  it('keeps what containers that end side by side add, for whoever looks next', async () => {
    const directory = join(temporaryDirectory(), 'not', 'made');
    const applied = await AppliedPlan.load(DIGEST, directory);
    expect(applied.parts.size).toBe(0);
    await Promise.all([901, 902, 903].map((ctid) => applied.add(ctid, part(`run ${ctid}`))));
    const again = await AppliedPlan.load(DIGEST, directory);
    expect([...again.parts.keys()]).toEqual([901, 902, 903]);
    expect(again.parts.get(902)).toEqual(part('run 902'));
    expect((await AppliedPlan.load(`sha256:${'cd'.repeat(32)}`, directory)).parts.size).toBe(0);
  });

  it('refuses what is damaged, rather than forget it', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, `${DIGEST.replace(':', '-')}.json`), '{"901": ');
    expect((await failureOf(() => AppliedPlan.load(DIGEST, directory))).code).toBe('JOURNAL_FAILED');
  });

  it('refuses what was noted of another plan', async () => {
    const directory = temporaryDirectory();
    const other = `sha256:${'cd'.repeat(32)}`;
    await (await AppliedPlan.load(other, directory)).add(901, part('run 901'));
    const nameOf = (digest: string) => join(directory, `${digest.replace(':', '-')}.json`);
    renameSync(nameOf(other), nameOf(DIGEST));
    const failure = await failureOf(() => AppliedPlan.load(DIGEST, directory));
    expect(failure.code).toBe('JOURNAL_FAILED');
    expect(failure.seen).toContain(`it is of the plan ${other}`);
  });

  it('says what it means when it can not be written', async () => {
    const directory = temporaryDirectory();
    const applied = await AppliedPlan.load(DIGEST, directory);
    rmSync(directory, { recursive: true });
    writeFileSync(directory, 'a file where the directory was');
    const failure = await failureOf(() => applied.add(901, part('x')));
    expect(failure.code).toBe('JOURNAL_FAILED');
    expect(failure.seen).toContain('container 901');
  });
});
