import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loggedCommands } from '../../../src/system/command-log.ts';
import { RecordingLog } from '../helpers/log.ts';

async function logged(...argv: [string, ...string[]]): Promise<string[]> {
  const log = new RecordingLog();
  const run = loggedCommands(async () => ({ exitCode: 3, stdout: 'out', stderr: '' }), log);
  expect(await run(argv, { timeoutSeconds: 1 })).toEqual({ exitCode: 3, stdout: 'out', stderr: '' });
  return log.lines.map((line) => line.replace(/command \d+/, 'command N'));
}

describe('loggedCommands', () => {
  it('tells the whole command, its exit code and its time', async () => {
    const [command, end] = await logged('/usr/sbin/pct', 'exec', '901', '--', 'sh', '-c', "echo 'a b'\n");
    expect(command).toBe(`debug command N: /usr/sbin/pct exec 901 -- sh -c 'echo '\\''a b'\\''\n'`);
    expect(end).toMatch(/^debug command N: exit code 3 after \d+\.\d s$/);
  });

  it('shows no credentials of an address', async () => {
    expect((await logged('env', 'https_proxy=http://user:secret@proxy.example:3128')).join()).not.toContain('secret');
  });

  it('quotes so that a shell reads the same words', async () => {
    const word = fc.string({ unit: 'binary-ascii', maxLength: 20 }).filter((text) => !/[\0@]/.test(text));
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 4 }), async (words) => {
        const [line = ''] = await logged('printf', '%s\\0', ...words);
        const command = line.replace('debug command N: ', '');
        expect(execFileSync('/bin/sh', ['-c', command], { encoding: 'utf8' }).split('\0').slice(0, -1)).toEqual(words);
      }),
      { numRuns: 50 },
    );
  });
});
