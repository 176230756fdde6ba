import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CommandResult, run } from '../lab/command.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';

interface Recording {
  readonly command: string;
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

const recordings = JSON.parse(
  readFileSync(new URL('../fixtures/pct/recorded.json', import.meta.url), 'utf8'),
) as Recording[];

let lab: Lab;
let host: Host;
let directory: string;

beforeAll(async () => {
  lab = await Lab.connect();
  host = await lab.host();
  directory = await mkdtemp('/tmp/pct-conformance-');
  await writeFile(join(directory, 'a.txt'), 'a\n');
  await host.createContainer({ ctid: 9001, variant: 'minimal' });
  await host.createContainer({ ctid: 9002, variant: 'minimal', storage: 'dir' });
  await host.createContainer({ ctid: 9003, variant: 'minimal', start: false });
  // the recordings' 9001 had a snapshot (see `pct template 9001`)
  expect(await host.pct('snapshot', '9001', 's1')).toEqual({ exitCode: 0, stdout: '', stderr: '' });
});

afterAll(async () => {
  await lab?.down();
  if (directory) await rm(directory, { recursive: true });
});

describe.each([8, 9] as const)('Proxmox VE %i answers as recorded', (version) => {
  beforeAll(() => host.setPve(version));

  test.each(recordings.map((recording) => [recording.command, recording] as const))(
    '%s',
    async (command, recording) => {
      const result = await run(host.enter(['env', '-C', directory, ...argvOf(command)]));
      expect(normalised(result)).toEqual({
        exitCode: recording.exit,
        stdout: recording.stdout,
        stderr: withoutLxcLines(recording.stderr),
      });
    },
  );
});

/** `sh -c` got the rest as one argument. */
function argvOf(command: string): string[] {
  const [words = '', script] = command.split(' -c ');
  return script === undefined ? words.split(' ') : [...words.split(' '), '-c', script];
}

function normalised(result: CommandResult): CommandResult {
  const stderr = result.stderr.replace(/(pct\.pm line )\d+/, '$1N');
  return { ...result, stderr: withoutLxcLines(stderr) };
}

/** lxc-attach names lines of its own source, which differ from release to release. */
function withoutLxcLines(text: string): string {
  return text.replace(/(attach\.c: \w+: )\d+/, '$1N');
}
