import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { observeHealth, parseGpuHealth, parseXids } from '../../../src/facts/health.ts';
import type { CommandResult, RunCommand } from '../../../src/system/command.ts';
import { DRIVER, GPU0, GPU1, hostHealth } from '../helpers/facts.ts';

/** Made as nvidia-smi writes its csv: values as in `nvidia-smi -q` of the recorded hosts, fields in the order asked for. */
const GPUS = `${GPU0}, Enabled, Default, Disabled, 0, 0\n${GPU1}, Enabled, Default, Disabled, 0, 0\n`;

interface Answers {
  modinfo?: Partial<CommandResult>;
  journalctl?: Partial<CommandResult>;
  dmesg?: Partial<CommandResult>;
  gpus?: Partial<CommandResult>;
  processes?: Partial<CommandResult>;
}

function host(answers: Answers) {
  const asked: string[] = [];
  const run: RunCommand = async (argv) => {
    asked.push(argv.join(' '));
    const name = argv[0].replace(/.*\//, '');
    const kind = name === 'nvidia-smi' ? (argv[1]?.startsWith('--query-gpu') ? 'gpus' : 'processes') : name;
    return { exitCode: 0, stdout: '', stderr: '', ...answers[kind as keyof Answers] };
  };
  return { run, asked };
}

const HEALTHY: Answers = { modinfo: { stdout: `${DRIVER}\n` }, journalctl: { exitCode: 1 }, gpus: { stdout: GPUS } };

describe('observeHealth', () => {
  it('observes a healthy host', async () => {
    expect(await observeHealth(host(HEALTHY).run)).toEqual(hostHealth());
  });

  it('knows nothing of a host that tells nothing', async () => {
    const absent = { exitCode: 127, stdout: 'not found' };
    const { run } = host({ modinfo: absent, journalctl: absent, dmesg: absent, gpus: absent, processes: absent });
    const nothing = { installedDriver: null, xids: null, smiHangs: false, gpus: null };
    expect(await observeHealth(run)).toEqual(nothing);
    expect(await observeHealth(() => Promise.reject(new Error('no shell')))).toEqual(nothing);
  });

  it('counts the processes of each GPU', async () => {
    const { run } = host({ ...HEALTHY, processes: { stdout: `${GPU1}, 812\n${GPU1}, 813\n` } });
    expect((await observeHealth(run)).gpus?.map(({ processes }) => processes)).toEqual([0, 2]);
  });

  it("takes the journal's Xids, and the kernel's memory where there is no journal", async () => {
    const line = 'NVRM: Xid (PCI:0000:00:06): 79, pid=1, GPU has fallen off the bus.\n';
    const found = [{ bus: '0000:00:06', code: 79 }];
    const journal = host({ ...HEALTHY, journalctl: { stdout: line } });
    expect((await observeHealth(journal.run)).xids).toEqual(found);
    expect(journal.asked).not.toContain('/bin/dmesg');
    const memory = host({ ...HEALTHY, dmesg: { stdout: `[ 12.5] ${line}` } });
    expect((await observeHealth(memory.run)).xids).toEqual(found);
  });

  it.each([124, 137])('finds an nvidia-smi that ends with %d to hang', async (exitCode) => {
    expect(await observeHealth(host({ ...HEALTHY, gpus: { exitCode } }).run)).toMatchObject({
      smiHangs: true,
      gpus: null,
    });
  });

  it('waits no longer for what even a signal does not end', async () => {
    const run: RunCommand = (argv, options) =>
      argv[0].endsWith('nvidia-smi') ? new Promise(() => {}) : host(HEALTHY).run(argv, options);
    expect(await observeHealth(run, 0.05)).toEqual(hostHealth({ smiHangs: true, gpus: null }));
  });
});

describe('parseGpuHealth', () => {
  it('knows what is not told', () => {
    expect(parseGpuHealth(`${GPU0}, [N/A], [Not Supported], [N/A], [N/A], [Unknown Error]\n`, null)).toEqual([
      {
        uuid: GPU0,
        persistence: null,
        computeMode: null,
        mig: null,
        eccErrors: { volatile: null, aggregate: null },
        processes: null,
      },
    ]);
  });

  it('reads no GPU in other words', () => {
    expect(parseGpuHealth('No devices were found\n', '')).toEqual([]);
    fc.assert(
      fc.property(fc.string(), (text) => parseGpuHealth(text, text).every(({ uuid }) => uuid.startsWith('GPU-'))),
    );
  });
});

describe('parseXids', () => {
  it.each([
    ['NVRM: Xid (PCI:0000:1b:00): 31, pid=1203, name=python3, Ch 00000008', '0000:1b:00', 31],
    ['[  1843.3] NVRM: Xid (PCI:0000:44:00.0): 94, Contained: CE User Channel', '0000:44:00', 94],
  ])('reads %s', (line, bus, code) => {
    expect(parseXids(`a\n${line}\nb\n`)).toEqual([{ bus, code }]);
  });

  it('reads none in other words', () => {
    expect(parseXids('NVRM: loading NVIDIA UNIX Open Kernel Module\nXid\n')).toEqual([]);
  });
});
