import { afterEach, describe, expect, it, vi } from 'vitest';
import { runnerLog } from '../../../src/system/runner-log.ts';

/** The lines that `work` writes to standard output, where the runner looks for commands. */
async function written(work: () => unknown): Promise<string[]> {
  let text = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  try {
    await work();
  } finally {
    vi.restoreAllMocks();
  }
  return text.split('\n').slice(0, -1);
}

const isCommand = (line: string) => line.trimStart().startsWith('::') || line.includes('##[');

afterEach(() => {
  vi.restoreAllMocks();
});

describe('runnerLog', () => {
  it('prefixes every line of another program with its source', async () => {
    expect(await written(() => runnerLog.foreign('901', 'one\n::error::two ##[error]'))).toEqual([
      '901 │ one',
      '901 │ ::error::two ## [error]',
    ]);
  });

  it('makes warnings and debug lines one command each, whatever they hold', async () => {
    expect(await written(() => runnerLog.warning('a\n::error::b', 'T,i:t'))).toEqual([
      '::warning title=T%2Ci%3At::a%0A::error::b',
    ]);
    expect(await written(() => runnerLog.debug('a\n::error::b'))).toEqual(['::debug::a%0A::error::b']);
  });

  it('folds what is logged in a group, also when it throws', async () => {
    const lines = await written(() =>
      runnerLog
        .group('Title', async () => {
          runnerLog.info('inside');
          throw new Error('x');
        })
        .catch(() => {}),
    );
    expect(lines).toEqual(['::group::Title', 'inside', '::endgroup::']);
  });

  it.each(['seen GPU-x\r::error::pwned', 'seen\n::stop-commands::x', '::set-env name=A::b', 'x ##[error]y'])(
    'makes no command of the message %j',
    async (message) => {
      for (const line of await written(() => runnerLog.info(message))) expect(line).not.toSatisfy(isCommand);
    },
  );
});
