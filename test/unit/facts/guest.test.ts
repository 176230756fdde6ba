import { createHash } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CUDA_QUERY_PROGRAMS } from '../../../src/facts/cuda-query-programs.ts';
import { parseFactsFile } from '../../../src/facts/file.ts';
import { observeGuest, parseProbe } from '../../../src/facts/guest.ts';
import { GUEST_PROBE } from '../../../src/facts/guest-probe.ts';
import { CUDA_PROOF_ID } from '../../../src/facts/kept-proof.ts';
import { runCommand } from '../../../src/system/command.ts';
import { parseCudaQuery } from '../../../src/verify/cuda-query.ts';
import { ACTION_VERSION } from '../../../src/version/action.ts';
import { type Architecture, isArchitecture } from '../../../src/version/architecture.ts';
import { FORMAT_VERSION } from '../../../src/version/format.ts';
import { anyText } from '../helpers/any-text.ts';
import { FakeHost, scriptOf } from '../helpers/commands.ts';
import {
  bareGuest,
  CUDA_NOT_LOADED,
  containerFacts,
  guestFacts,
  hostFacts,
  installedToolkit,
} from '../helpers/facts.ts';
import { failureOf } from '../helpers/failure.ts';
import { fixture, recordedCase } from '../helpers/fixtures.ts';
import { pctOf } from '../helpers/pct.ts';
import { probeRecords } from '../helpers/probe.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const encoded = (text: string) => Buffer.from(text).toString('base64');
const END = 'end\n';
const hexadecimal = (architecture: Architecture) =>
  Buffer.from(CUDA_QUERY_PROGRAMS[architecture].base64, 'base64').toString('hex');

describe('parseProbe', () => {
  it('reads every record of a container that is as wanted', () => {
    const guest = guestFacts({ keyrings: [] });
    expect(parseProbe(probeRecords(guest))).toEqual(guest);
  });

  it('reads every record of a bare container', () => {
    const guest = bareGuest({ dpkgAudit: 'The following packages are half installed:' });
    expect(parseProbe(probeRecords(guest))).toEqual(guest);
  });

  it('reads packages that are not installed, several toolkits and refused nodes', () => {
    const guest = guestFacts({
      keyrings: [],
      packages: [{ name: 'libcuda1', version: '550.163.01-1', architecture: 'i386', installed: false }],
      toolkits: [installedToolkit('12.6'), installedToolkit('12.10')],
      deviceNodes: [
        { path: '/dev/nvidia-uvm', major: 511, minor: 0, open: 'EPERM' },
        { path: '/dev/nvidiactl', major: 195, minor: 255, open: 'ENXIO' },
      ],
      nvidiaSmi: {
        query: { exitCode: 18, output: recordedCase('mismatch_q').stdout },
        table: { exitCode: 124, output: '' },
      },
    });
    expect(parseProbe(probeRecords(guest))).toEqual(guest);
  });

  it('reads the keys of keyrings', () => {
    const path = '/etc/apt/keyrings/proxmox-lxc-nvidia-cuda.gpg';
    const guest = guestFacts({ keyrings: [] });
    expect(parseProbe(probeRecords(guest, { [path]: fixture('keys/both.gpg') }))?.keyrings).toEqual([
      {
        path,
        fingerprints: ['81464A4A8AC2BB428377C0EA7F586458091BE790', '4D1E912DF971C2B39BA84ABEE400B4924F78C311'],
        sha256: createHash('sha256').update(fixture('keys/both.gpg')).digest('hex'),
      },
    ]);
    expect(parseProbe(probeRecords(guest, { [path]: Buffer.alloc(0) }))?.keyrings).toMatchObject([
      { path, fingerprints: [] },
    ]);
  });

  it('is null without the last record', () => {
    const complete = probeRecords(guestFacts());
    expect(parseProbe('')).toBeNull();
    expect(parseProbe(complete.replace(/\nend\n$/, '\n'))).toBeNull();
    expect(parseProbe('xend\nend of it\n')).toBeNull();
  });

  it('makes facts of the last record alone', () => {
    expect(parseProbe(END)).toMatchObject({
      distribution: { id: 'unknown', version: '', name: 'unknown' },
      dpkgArchitecture: null,
      aptPin: null,
      certificates: false,
      nvidiaSmi: { query: null, table: null },
      toolkits: [],
    });
  });

  it('takes a library without driver version for none', () => {
    const text = ['libcuda.so.580.159.04', 'libnvidia-container.so.1.17.8', 'libnvidia-nvvm.so.4.0.0']
      .map((name) => `library\t/usr/lib/x86_64-linux-gnu/${name}\n`)
      .join('');
    expect(parseProbe(text + END)?.libraries).toEqual([
      { path: '/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04', version: '580.159.04' },
    ]);
  });

  it.each([
    ['a node without a number', 'node\t/dev/nvidia0\tzz\t0\tok'],
    ['a node with the number of none', 'node\t/dev/nvidia0\t-1\t0\tok'],
    ['a node that opens as nothing does', 'node\t/dev/nvidia0\tc3\t0\tbogus'],
    ['a node without fields', 'node'],
    ['space of no number', 'space\t/\t-\text4\t/'],
    ['more space than there is', `space\t/\t${'9'.repeat(15)}\text4\t/`],
    ['a package that has no such name', 'package\tinstalled\t-oDir=/x\t1\tamd64'],
    ['a path that is too long', `library\t/usr/lib/${'x'.repeat(2000)}/libcuda.so.580.159.04`],
    ['an exit code of no number', 'toolkit\t/usr/local/cuda-12.8\tNaN\t'],
    ['an unknown record', 'constructor\tx'],
  ])('takes %s for no fact', (_what, record) => {
    expect(parseProbe(`${record}\n${END}`)).toEqual(parseProbe(END));
  });

  it('cuts what a command printed', () => {
    const facts = parseProbe(`smi-query\t0\t${encoded('x'.repeat(200_000))}\n${END}`);
    expect(facts?.nvidiaSmi.query).toEqual({ exitCode: 0, output: 'x'.repeat(64 * 1024) });
  });

  it('never throws, and gives facts that are fit for facts.json, whatever a container prints', () => {
    const names = [
      ...['os-release', 'dpkg-architecture', 'dpkg-audit', 'space', 'library', 'link', 'package', 'apt-source'],
      ...[
        'apt-pin',
        'keyring',
        'certificates',
        'toolkit',
        'node',
        'smi-query',
        'smi-table',
        'cuda-query',
        'cuda-proof',
      ],
      ...['end', 'x', '__proto__'],
    ];
    const field = fc.oneof(
      anyText,
      anyText.map(encoded),
      fc.constantFrom(
        'ok',
        '0',
        '7f',
        '-1',
        'NaN',
        '9'.repeat(15),
        '9'.repeat(400),
        'installed',
        'kmod',
        '/dev/nvidia0',
      ),
      fc.constantFrom('/usr/lib/libcuda.so.580.159.04', '/usr/local/cuda-12.8', 'x'.repeat(3000)),
      fc.constantFrom('ID="a"\nVERSION_ID=1', `ID=${'x'.repeat(5000)}`, 'a / ext4 rw,noexec 0 0').map(encoded),
    );
    const record = fc.tuple(
      fc.constantFrom(...names),
      fc.array(field, { maxLength: 7 }),
      fc.constantFrom(1, 1, 1, 5000),
    );
    fc.assert(
      fc.property(fc.array(record, { maxLength: 8 }), (records) => {
        const text = records
          .map(([first, fields, times]) =>
            `${[first, ...fields].join('\t')}\n`.repeat(fields.join('').length < 50 ? times : 1),
          )
          .join('');
        const guest = parseProbe(`${text}\n${END}`);
        const file = {
          kind: 'facts',
          schema: FORMAT_VERSION,
          action: ACTION_VERSION,
          observedAt: '2026-11-27T00:00:00.000Z',
          host: hostFacts(),
          containers: [containerFacts({}, guest ?? undefined)],
        };
        expect(parseFactsFile(JSON.stringify(file), 'x', new Date('2026-11-27'), 1).containers[0]?.guest).toEqual(
          guest,
        );
      }),
    );
  });

  it.each([
    ['empty lines', '\n', 1024 ** 2],
    ['lines without a name', '\t\n', 1024 ** 2 / 2],
    ['nodes', 'node\t/dev/nvidia0\tc3\t0\tok\n', 40_000],
    ['nodes without fields', 'node\n', 200_000],
    ['unknown records', 'x\n', 500_000],
    ['fields', '\t', 1024 ** 2],
  ])('takes little memory for a megabyte of %s', (_what, piece, times) => {
    const text = `${piece.repeat(times)}\n${END}`;
    const before = process.memoryUsage().rss;
    const guest = parseProbe(text);
    expect(guest?.deviceNodes.length).toBeLessThanOrEqual(256);
    expect(process.memoryUsage().rss - before).toBeLessThan(80 * 1024 ** 2);
  });
});

describe('os-release', () => {
  const release = (text: string) => parseProbe(`os-release\t/etc/os-release\t${encoded(text)}\n${END}`)?.distribution;

  it.each([
    [
      'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\nHOME_URL="https://www.debian.org/"\n',
      { id: 'debian', version: '12', name: 'Debian GNU/Linux 12 (bookworm)' },
    ],
    [
      "NAME='Ubuntu'\nVERSION_ID='24.04'\nID=ubuntu\nID_LIKE=debian\nPRETTY_NAME='Ubuntu 24.04.2 LTS'\n",
      { id: 'ubuntu', version: '24.04', name: 'Ubuntu 24.04.2 LTS' },
    ],
    ['ID=alpine\nVERSION_ID=3.22.1\n', { id: 'alpine', version: '3.22.1', name: 'alpine' }],
    ['ID=arch\nPRETTY_NAME="Arch Linux"\n# ID=debian\n', { id: 'arch', version: '', name: 'Arch Linux' }],
    ['', { id: 'unknown', version: '', name: 'unknown' }],
  ])('reads %j', (text, distribution) => {
    expect(release(text)).toEqual(distribution);
  });
});

describe('space', () => {
  it('knows where programs may not run', () => {
    const text =
      'space\t/var/tmp\t1024\ttmpfs\t/var/tmp\trw,nosuid,noexec,size=1g\nspace\t/usr\t2048\text4\t/\trw,relatime';
    expect(parseProbe(`${text}\n${END}`)?.space).toEqual([
      { path: '/var/tmp', freeBytes: 1024 ** 2, fileSystem: 'tmpfs', mountPoint: '/var/tmp', executable: false },
      { path: '/usr', freeBytes: 2 * 1024 ** 2, fileSystem: 'ext4', mountPoint: '/', executable: true },
    ]);
  });
});

describe('observeGuest', () => {
  it('starts one command in the container', async () => {
    const guest = guestFacts({ keyrings: [] });
    const host = new FakeHost(() => ({ stdout: probeRecords(guest) }));
    expect(await observeGuest(pctOf(host.run), 901, 'x86_64', '/usr/local/cuda-12.8')).toEqual(guest);
    expect(host.calls).toHaveLength(1);
    const [call] = host.calls;
    if (call === undefined) throw new Error('no call');
    expect(call.ctid).toBe(901);
    expect(scriptOf(call)).toEqual({
      script: GUEST_PROBE,
      args: [hexadecimal('x86_64'), '/usr/local/cuda-12.8', CUDA_PROOF_ID],
    });
  });

  it.each<[string, string, string, number?]>([
    ['bytes', 'x'.repeat(1024 ** 2), 'more than 1.0 MiB'],
    ['nodes', 'node\t/dev/nvidia0\tc3\t0\tok\n'.repeat(257), 'more than 256 records "node"'],
    [
      'records',
      'library\n'
        .repeat(4096)
        .concat(
          'package\n'.repeat(4096),
          'link\n'.repeat(64),
          'toolkit\n'.repeat(64),
          'node\n'.repeat(256),
          'space\n'.repeat(40),
          'keyring\n'.repeat(60),
        )
        .concat('apt-source\n'.repeat(63)),
      'more than 512.0 KiB',
      512 * 1024,
    ],
    ['packages', 'package\tinstalled\tkmod\t1\tamd64\n'.repeat(4097), 'more than 4096 records "package"'],
    ['sources', `apt-source\t/etc/apt/sources.list\t\n`.repeat(65), 'more than 64 records "apt-source"'],
    ['outputs', 'smi-query\t0\t\n'.repeat(2), 'more than 1 records "smi-query"'],
  ])('refuses an answer of too many %s', async (_what, text, seen, limit) => {
    const host = new FakeHost(() => ({ stdout: `${text}\n${probeRecords(guestFacts())}` }));
    const failure = await failureOf(() => observeGuest(pctOf(host.run), 901, 'x86_64', null, limit));
    expect(failure.code).toBe('PROBE_FAILED');
    expect(failure.seen).toContain(`Container 901 could not be observed: its answer has ${seen}`);
  });

  it('takes less of one container where there are many', async () => {
    const host = new FakeHost(() => ({ stdout: probeRecords(guestFacts()) }));
    const failure = await failureOf(() => observeGuest(pctOf(host.run), 901, 'x86_64', null, 1000));
    expect(failure.seen).toContain('more than 1000 B');
  });

  it('says what the shell said when the probe breaks off', async () => {
    const host = new FakeHost(() => ({
      exitCode: 2,
      stdout: 'dpkg-architecture\tamd64\n',
      stderr: 'sh: 9: base64: not found',
    }));
    const failure = await failureOf(() => observeGuest(pctOf(host.run), 901, 'aarch64', null));
    expect(failure.code).toBe('PROBE_FAILED');
    expect(failure.message).toContain('901');
    expect(failure.message).toContain('exit code 2');
    expect(failure.details).toBe('sh: 9: base64: not found');
  });
});

describe('the probe itself', () => {
  /** Runs the probe on this machine, with the given programs before all others. */
  async function probe(programs: Record<string, string>, ...args: string[]) {
    const directory = temporaryDirectory();
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(directory, name), 0o755);
    }
    const { stdout, stderr } = await runCommand(
      ['/usr/bin/env', `PATH=${directory}:/usr/sbin:/usr/bin:/sbin:/bin`, '/bin/sh', '-c', GUEST_PROBE, 'sh', ...args],
      { timeoutSeconds: 30 },
    );
    expect(stderr).toBe('');
    const facts = parseProbe(stdout);
    if (facts === null) throw new Error(`no facts in: ${stdout}`);
    return facts;
  }

  it('observes a Debian or Ubuntu machine', async () => {
    const facts = await probe({});
    expect(['debian', 'ubuntu']).toContain(facts.distribution.id);
    expect(facts.dpkgArchitecture).toMatch(/^(amd64|arm64)$/);
    expect(facts.space.map(({ path }) => path)).toEqual(expect.arrayContaining(['/', '/usr', '/var/tmp', '/root']));
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '));
    for (const { freeBytes, mountPoint, executable } of facts.space) {
      const [, , , options = ''] = mounts.findLast(([, point]) => point === mountPoint) ?? [];
      expect(executable).toBe(!options.split(',').includes('noexec'));
      expect(freeBytes).toBeGreaterThan(0);
      expect(mountPoint).toMatch(/^\//);
    }
    expect(facts.links.map(({ soname }) => soname)).toEqual(['libcuda.so.1', 'libnvidia-ml.so.1']);
  });

  it('keeps exit code and output of nvidia-smi, to the byte', async () => {
    const facts = await probe({
      'nvidia-smi': `case $1 in --query*) printf 'exit=5 a\\tb\\n\\n'; exit 18;; *) echo "to stderr" >&2; printf 'no end'; exit 0;; esac`,
    });
    expect(facts.nvidiaSmi.query).toEqual({ exitCode: 18, output: 'exit=5 a\tb\n\n' });
    expect(facts.nvidiaSmi.table).toEqual({ exitCode: 0, output: 'to stderr\nno end' });
  });

  it.each([65_520, 65_530, 65_536, 65_540, 50_000_000])(
    'keeps the beginning of %d bytes without line feed, and the exit code',
    async (size) => {
      const facts = await probe({ 'nvidia-smi': `head -c ${size} /dev/zero | tr '\\0' x; exit 7` });
      expect(facts.nvidiaSmi.query?.exitCode).toBe(7);
      const output = facts.nvidiaSmi.query?.output ?? '';
      expect(new Set(output)).toEqual(new Set('x'));
      expect(output.length).toBe(Math.min(size, 65_536));
    },
  );

  it('does not wait twice for an nvidia-smi that hangs', async () => {
    const facts = await probe({ 'nvidia-smi': 'echo waiting', timeout: 'shift 3; "$@"; exit 124' });
    expect(facts.nvidiaSmi).toEqual({ query: { exitCode: 124, output: 'waiting\n' }, table: null });
  });

  describe('cuda-query', () => {
    const machine = arch() === 'arm64' ? 'aarch64' : 'x86_64';

    it('runs, and says so where there is no libcuda', async () => {
      expect((await probe({ ldconfig: '' }, hexadecimal(machine))).cuda).toEqual({
        exitCode: 1,
        output: CUDA_NOT_LOADED,
      });
    });

    it('is not run by a probe that has none', async () => {
      expect((await probe({})).cuda).toBeNull();
    });

    it('is not run when nvidia-smi hangs', async () => {
      const programs = { 'nvidia-smi': 'echo waiting', timeout: 'shift 3; "$@"; exit 124' };
      expect((await probe(programs, hexadecimal(machine))).cuda).toBeNull();
    });

    it('of another architecture answers nothing', async () => {
      const other = machine === 'x86_64' ? 'aarch64' : 'x86_64';
      const { cuda } = await probe({}, hexadecimal(other));
      expect(cuda?.exitCode).not.toBe(0);
      expect(parseCudaQuery(cuda?.output ?? '')).toEqual({ kind: 'other' });
    });

    it.each(Object.entries(CUDA_QUERY_PROGRAMS))('of %s is what its checksum says', (architecture, program) => {
      expect(isArchitecture(architecture)).toBe(true);
      const bytes = Buffer.from(program.base64, 'base64');
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(program.sha256);
      expect(bytes.subarray(1, 4).toString()).toBe('ELF');
      // With the probe it is one argument of sh, which may have 128 KiB; and it should stay small.
      expect(bytes.length).toBeLessThan(8192);
    });
  });

  it("asks the loader's cache what the libraries are", async () => {
    const target = join(temporaryDirectory(), 'libcuda.so.580.159.04');
    writeFileSync(target, '');
    const facts = await probe({
      ldconfig: `printf '\\tlibcuda.so.1 (libc6) => /usr/lib/i386-linux-gnu/libcuda.so.1\\n\\tlibcuda.so.1 (libc6,x86-64) => ${target}\\n\\tlibcuda.so.1 (libc6,x86-64) => /later\\n'`,
    });
    expect(facts.links).toEqual([
      { soname: 'libcuda.so.1', target, version: '580.159.04' },
      { soname: 'libnvidia-ml.so.1', target: null, version: null },
    ]);
  });

  it('tells packages with their state', async () => {
    const facts = await probe({
      'dpkg-query': `printf 'installed\\tkmod\\t30+20221128-1\\tamd64\\nconfig-files\\tlibcuda1\\t550.163.01-1\\ti386\\n'; exit 1`,
    });
    expect(facts.packages).toEqual([
      { name: 'kmod', version: '30+20221128-1', architecture: 'amd64', installed: true },
      { name: 'libcuda1', version: '550.163.01-1', architecture: 'i386', installed: false },
    ]);
  });

  it('ends early but well without dpkg', async () => {
    const directory = temporaryDirectory();
    for (const name of ['uname', 'base64', 'tr'])
      await runCommand(['/bin/ln', '-s', `/usr/bin/${name}`, join(directory, name)], { timeoutSeconds: 5 });
    const { stdout } = await runCommand(['/usr/bin/env', `PATH=${directory}`, '/bin/sh', '-c', GUEST_PROBE, 'sh', ''], {
      timeoutSeconds: 10,
    });
    expect(parseProbe(stdout)).toMatchObject({ dpkgArchitecture: null, packages: [], libraries: [] });
  });
});
