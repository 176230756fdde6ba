import { describe, expect, it } from 'vitest';
import type { DirectorySpace } from '../../../src/facts/facts.ts';
import { checkSpace, driverNeeds, toolkitNeeds, workingDirectory } from '../../../src/plan/space.ts';
import { GIB, guestFacts, MIB, runfileFacts } from '../helpers/facts.ts';
import { failureOf } from '../helpers/failure.ts';

const at = (path: string, changes: Partial<DirectorySpace> = {}): DirectorySpace => ({
  path,
  freeBytes: 10 * GIB,
  fileSystem: 'ext4',
  mountPoint: '/',
  executable: true,
  ...changes,
});

describe('workingDirectory', () => {
  it.each<[string, DirectorySpace[], string]>([
    ['/var/tmp', [at('/'), at('/var/tmp'), at('/root'), at('/opt')], 'by default'],
    ['/root', [at('/var/tmp', { executable: false }), at('/root'), at('/opt')], 'where /var/tmp is noexec'],
    ['/root', [at('/var/tmp', { fileSystem: 'tmpfs' }), at('/root')], 'where /var/tmp lies in memory'],
    ['/opt', [at('/root', { executable: false }), at('/opt')], 'where nothing else is left'],
  ])('is %s %#', (directory, space) => {
    expect(workingDirectory(901, guestFacts({ space }))).toBe(directory);
  });

  it('is refused where there is none, and never /tmp', async () => {
    const space = [at('/'), at('/usr'), at('/tmp'), at('/var/tmp', { executable: false })];
    const failure = await failureOf(() => workingDirectory(901, guestFacts({ space })));
    expect(failure.code).toBe('CONTAINER_TEMPORARY_DIRECTORY');
    expect(failure.message).toContain('/var/tmp, /root, /opt');
  });
});

describe('needs', () => {
  it('of a driver are four times the runfile to unpack, and as much to install', () => {
    expect(driverNeeds(runfileFacts({ size: 400 * MIB }), '/root')).toMatchObject([
      { directory: '/root', bytes: 1600 * MIB },
      { directory: '/usr', bytes: 1600 * MIB },
    ]);
  });

  it('of a driver of unknown size are those of the largest', () => {
    expect(driverNeeds(runfileFacts({ size: null }), '/root')).toEqual(
      driverNeeds(runfileFacts({ size: 450 * MIB }), '/root'),
    );
  });

  it('of a toolkit are its packages, packed and unpacked', () => {
    const [packed, installed] = toolkitNeeds({ download: GIB, installed: 2 * GIB }, 'cuda-toolkit-12-8');
    expect(packed?.bytes).toBe(GIB);
    expect(installed).toMatchObject({ directory: '/usr', bytes: 2 * GIB });
  });
});

describe('checkSpace', () => {
  const needs = [
    { directory: '/var/tmp', bytes: 3 * GIB, what: 'one' },
    { directory: '/usr', bytes: 2 * GIB, what: 'two' },
  ];
  const on = (space: DirectorySpace[]) => () => checkSpace(901, guestFacts({ space }), needs);

  it('adds up what lies on one file system', async () => {
    expect(on([at('/var/tmp', { freeBytes: 5 * GIB }), at('/usr', { freeBytes: 5 * GIB })])).not.toThrow();
    const failure = await failureOf(
      on([at('/var/tmp', { freeBytes: 5 * GIB - 1 }), at('/usr', { freeBytes: 5 * GIB - 1 })]),
    );
    expect(failure.code).toBe('CONTAINER_SPACE');
    expect(failure.message).toContain('5.0 GiB');
    expect(failure.message).toContain('3.0 GiB for one, 2.0 GiB for two');
    expect(failure.remedy).toContain('pct resize 901');
  });

  it('keeps file systems apart', async () => {
    const other = { mountPoint: '/var', freeBytes: 3 * GIB };
    expect(on([at('/var/tmp', other), at('/usr', { freeBytes: 2 * GIB })])).not.toThrow();
    const failure = await failureOf(on([at('/var/tmp', { ...other, freeBytes: GIB }), at('/usr')]));
    expect(failure.seen).toContain('1.0 GiB free on /var,');
    expect(failure.seen).not.toContain('two');
  });

  it('asks nothing of what was not observed', () => {
    expect(on([])).not.toThrow();
  });
});
