import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runnerLog } from '../../../src/system/runner-log.ts';
import { anyText } from '../helpers/any-text.ts';

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
      '::warning title=T%2Ci%3At::a ::error::b',
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

  describe.each(['info', 'debug', 'warning', 'foreign', 'group'] as const)('%s', (method) => {
    /** What it writes of a text, the lines that are its own left out. */
    const told = (text: string) =>
      written(() => {
        if (method === 'warning') return runnerLog.warning(text, 'TITLE');
        if (method === 'foreign') return runnerLog.foreign('901', text);
        if (method === 'group') return runnerLog.group(text, async () => {});
        return runnerLog[method](text);
      });

    it('lets nothing through that a terminal acts on or that changes how text reads', async () => {
      const text = 'GPU-\u001b[1A\u001b[2K\u001b]0;title\u0007\u202egnp\u202c\u200b\u0085\u009b31m\u0000\u2028x\ty';
      const lines = await told(text);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there.
      expect(lines.join('')).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u202a-\u202e]|title\u0007/);
      expect(lines.join('')).toContain('GPU-');
    });

    it('never begins a command of its own, whatever it is given', async () => {
      await fc.assert(
        fc.asyncProperty(anyText, async (text) => {
          const commands = (await told(text)).filter(isCommand);
          const own = {
            info: [],
            foreign: [],
            debug: ['::debug::'],
            warning: ['::warning title=TITLE::'],
            group: ['::group::', '::endgroup::'],
          };
          expect(commands).toHaveLength(own[method].length);
          for (const [index, start] of own[method].entries()) expect(commands[index]?.startsWith(start)).toBe(true);
        }),
      );
    });
  });
});
