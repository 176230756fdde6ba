import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  firstUnusable,
  makeStateDirectory,
  removeDurably,
  State,
  userArgument,
  writeDurably,
} from '../../../src/system/state.ts';
import { failureOf } from '../helpers/failure.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const mode = (path: string) => statSync(path).mode & 0o777;

describe('State', () => {
  it('has a directory for each user, root among them, and one with the locks of all', () => {
    const state = new State('runner', '/state');
    expect(state).toMatchObject({ root: '/state', own: '/state/runner', locks: '/state/locks' });
    expect(state.directory('journal')).toBe('/state/runner/journal');
    expect(new State('#1500', '/state', 1500).own).toBe('/state/1500');
  });

  it.each(['locks', '..', '.', 'a/b', 'DOMAIN\\user', ''])('calls the directory of a user %j by the id', (user) => {
    expect(new State(user, '/state', 1501).own).toBe('/state/1501');
  });

  it('makes what all share for root alone to write, whatever the umask is', async () => {
    const state = new State('root', join(temporaryDirectory(), 'state'));
    const before = process.umask(0o077);
    try {
      await state.make();
      await state.make();
    } finally {
      process.umask(before);
    }
    expect([mode(state.root), mode(state.locks)]).toEqual([0o755, 0o750]);
  });

  it('tells whose journal names a container, by nothing but the name', async () => {
    const directory = join(temporaryDirectory(), 'state');
    const [root, runner, other] = ['root', 'runner', 'other'].map((user) => new State(user, directory));
    await root?.make();
    expect(await root?.leftByOther(901)).toBeNull();
    await writeDurably(join(runner?.directory('journal') ?? '', '901.json'), 'not even JSON');
    expect(await root?.leftByOther(901)).toBe('runner');
    expect(await other?.leftByOther(901)).toBe('runner');
    expect(await runner?.leftByOther(901)).toBeNull();
    expect(await root?.leftByOther(902)).toBeNull();
    symlinkSync('/nonexistent', join(runner?.directory('journal') ?? '', '902.json'));
    expect(await root?.leftByOther(902)).toBe('runner');
  });
});

describe('what another user has left', () => {
  const hidden = async (hide: (journal: string) => void) => {
    const root = new State('root', join(temporaryDirectory(), 'state'));
    await root.make();
    const journal = new State('runner', root.root).directory('journal');
    await makeStateDirectory(journal);
    hide(journal);
    return failureOf(() => root.leftByOther(901));
  };

  it('is not taken for nothing where it can not be seen', async () => {
    const failure = await hidden((journal) => {
      rmSync(journal, { recursive: true });
      symlinkSync(journal, journal);
    });
    expect(failure).toMatchObject({ code: 'JOURNAL_FAILED' });
    expect(failure.seen).toContain('a run of the user runner left container 901');
    expect(failure.remedy).toMatch(/: sudo -u runner chmod 0711 \S+\/runner \S+\/runner\/journal$/);
  });

  it('is not looked for in what is no directory of a user', async () => {
    const root = new State('root', join(temporaryDirectory(), 'state'));
    const journal = join(root.root, 'lost+found', 'journal');
    mkdirSync(journal, { recursive: true });
    writeFileSync(join(journal, '901.json'), '');
    expect(await root.leftByOther(901)).toBeNull();
  });

  it('is nothing where no run has been', async () => {
    expect(await new State('root', join(temporaryDirectory(), 'none')).leftByOther(901)).toBeNull();
  });

  it('is told of a user without a name in the form that sudo takes', () => {
    expect([userArgument('runner'), userArgument('1500')]).toEqual(['runner', "'#1500'"]);
  });
});

describe('directories', () => {
  it('can be passed through by others, and nothing else, whatever the umask is', async () => {
    const directory = temporaryDirectory();
    const before = process.umask(0o077);
    try {
      await makeStateDirectory(join(directory, 'a/b'));
      await makeStateDirectory(join(directory, 'a/b'));
    } finally {
      process.umask(before);
    }
    expect([mode(join(directory, 'a')), mode(join(directory, 'a/b'))]).toEqual([0o755, 0o711]);
    expect(mode(directory)).not.toBe(0o711);
  });
});

describe('a file that is written durably', () => {
  it('is there at once, for this user alone, with nothing beside it', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'not/made/yet/901.json');
    await writeDurably(path, 'one');
    await writeDurably(path, 'two');
    expect(readFileSync(path, 'utf8')).toBe('two');
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

  it('writes to nothing that a link leads to', async () => {
    const directory = temporaryDirectory();
    const victim = join(directory, 'victim');
    writeFileSync(victim, 'of somebody else', { mode: 0o600 });
    symlinkSync(victim, join(directory, '901.json.partial'));
    symlinkSync(victim, join(directory, '901.json'));
    await writeDurably(join(directory, '901.json'), 'whole');
    expect(readFileSync(victim, 'utf8')).toBe('of somebody else');
    expect(readFileSync(join(directory, '901.json'), 'utf8')).toBe('whole');
    expect(readdirSync(directory).sort()).toEqual(['901.json', 'victim']);
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
