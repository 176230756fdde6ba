import { describe, expect, it } from 'vitest';
import { aptFailure } from '../../src/apply/apt.ts';
import { aptLog } from '../../src/apply/apt-progress.ts';
import { installerErrors } from '../../src/apply/install-driver.ts';
import { diagnose } from '../../src/diagnosis/cause.ts';
import { GPU_CAUSES } from '../../src/diagnosis/gpu.ts';
import { INSTALLER_CAUSES } from '../../src/diagnosis/installer.ts';
import { ActionError } from '../../src/errors.ts';
import { parseGpuInformation, parseKernelModule } from '../../src/facts/driver-files.ts';
import { parseProbe, parseUserSpace } from '../../src/facts/guest.ts';
import { parseGpuHealth, parseXids } from '../../src/facts/health.ts';
import { parseContainerConfig, passthroughOf, tags } from '../../src/proxmox/config.ts';
import { parseStorageTypes } from '../../src/proxmox/storage.ts';
import { renderOutputs } from '../../src/report/outputs.ts';
import { renderSummary } from '../../src/report/summary.ts';
import { sourceConflicts } from '../../src/repository/apt-sources.ts';
import { cudaRepository, nvidiaContainerRepository } from '../../src/repository/repositories.ts';
import { parseSha256Sum } from '../../src/runfile/address.ts';
import { parseStub } from '../../src/runfile/stub.ts';
import { LastLines, LineSplitter } from '../../src/system/lines.ts';
import {
  joinedLines,
  lastLines,
  lastState,
  logText,
  oneLine,
  printable,
  shownUrl,
  withoutCredentials,
  withoutEnding,
} from '../../src/system/text.ts';
import { parseCudaProof } from '../../src/verify/cuda-proof.ts';
import { parseCudaQuery } from '../../src/verify/cuda-query.ts';
import { parseSmiQuery } from '../../src/verify/nvidia-smi.ts';
import { nvccRelease } from '../../src/verify/verify.ts';
import { versionInFileName } from '../../src/version/driver.ts';
import { containerFacts, guestFacts, hostFacts } from './helpers/facts.ts';
import { RecordingLog } from './helpers/log.ts';
import { containerResult, runResult } from './helpers/results.ts';

/*
 * Everything that reads text of a container or a server takes time in proportion to it, whatever it holds: while one text
 * is read nothing else happens, and the locks of all containers are held. Whatever reads foreign text belongs into this list.
 */

const probe = (record: (content: string) => string) => (text: string) => parseProbe(`${record(encoded(text))}\nend\n`);
const encoded = (text: string) => Buffer.from(text).toString('base64');
const REPOSITORIES = [
  cudaRepository(
    { base: 'https://mirror.example/nvidia/cuda', keys: [] },
    { id: 'debian', version: '12', cudaName: 'debian12', cudaKey: '' },
    'x86_64',
  ),
  nvidiaContainerRepository({ base: 'https://mirror.example/nvidia/container', keys: [] }, 'x86_64'),
];
const source = (name: string, text: string) =>
  sourceConflicts([{ path: `/etc/apt/sources.list.d/x.${name}`, text }], REPOSITORIES, 'amd64');
const lines = (read: (line: string) => void) => (text: string) => {
  const splitter = new LineSplitter(read);
  splitter.write(Buffer.from(text));
  splitter.end();
};
const gpuEvidence = (output: string) => ({
  symptom: { kind: 'nvidia-smi', exitCode: 1, output } as const,
  host: hostFacts(),
  container: containerFacts(),
  guest: guestFacts(),
});
const PATHS = { plan: '', facts: '', report: '' };

/** Reads what is no text of that kind, too: then it throws, and should do so as soon. */
const orRefused = (read: (text: string) => unknown) => (text: string) => {
  try {
    read(text);
  } catch (error) {
    if (!(error instanceof ActionError)) throw error;
  }
};

const READERS: Record<string, (text: string) => unknown> = {
  // text
  printable,
  'logText of a line': (text) => logText(lastState(text), '901 │ '),
  oneLine,
  joinedLines,
  lastLines: (text) => lastLines(text, 10),
  'withoutEnding: slashes': (text) => withoutEnding(text, '/'),
  shownUrl,
  'shownUrl of an address': (text) => shownUrl(`https://${text}`),
  withoutCredentials,
  // output of commands
  LineSplitter: lines(() => {}),
  LastLines: lines((line) => new LastLines(1000).add(line)),
  'the log of apt': lines(aptLog(new RecordingLog(), 901)),
  'the log of apt: status': lines((line) => aptLog(new RecordingLog(), 901)(`pmstatus:${line}`)),
  'why apt failed': (text) => aptFailure(901, 'x', { exitCode: 100, stdout: text, stderr: text }),
  'why the installer failed': (text) => diagnose(INSTALLER_CAUSES, { exitCode: 1, output: text }, 901),
  installerErrors: (text) => installerErrors(text, text),
  'installerErrors: one': (text) => installerErrors(`ERROR: ${text}`, `ERROR: x\n${text}`),
  parseUserSpace,
  // the probe
  parseProbe,
  'parseProbe: nothing else': (text) => parseProbe(`${text}\nend\n`),
  'parseProbe: os-release': probe((content) => `os-release\t/etc/os-release\t${content}`),
  'parseProbe: options of a mount': (text) => parseProbe(`space\t/\t1\text4\t/\t${text}\nend\n`),
  'parseProbe: apt-source': probe((content) => `apt-source\t/etc/apt/sources.list\t${content}`),
  'parseProbe: toolkit': (text) => parseProbe(`toolkit\t/usr/local/cuda-${text}\t0\t\nend\n`),
  'parseProbe: library': (text) => parseProbe(`library\t/usr/lib/${text}\nend\n`),
  'parseProbe: node': (text) => parseProbe(`node\t/dev/nvidia0\t${text}\t0\tok\nend\n`),
  'sources of a line each': (text) => source('list', text),
  'sources of a line each: an entry': (text) => source('list', `deb https://${text} /`),
  'sources in deb822': (text) => source('sources', text),
  'sources in deb822: addresses': (text) => source('sources', `URIs: https://${text}`),
  parseSmiQuery,
  'parseSmiQuery: a GPU': (text) => parseSmiQuery(`0, GPU-${text}, x, 1, 2, 3`),
  parseCudaQuery,
  'parseCudaQuery: GPUs': (text) => parseCudaQuery(`driver 13000\n${text}`),
  parseCudaProof,
  nvccRelease,
  'why a GPU fails': (text) => diagnose(GPU_CAUSES, gpuEvidence(text), 901),
  // reports
  'the summary: outputs': (text) =>
    renderSummary(runResult({ containers: [containerResult({ nvidiaSmi: text, nvcc: text })] })),
  'the summary: a failure': (text) =>
    renderSummary(runResult({ failure: { code: 'APT_FAILED', seen: text, remedy: 'x', details: text } })),
  'the outputs': (text) => renderOutputs(runResult({ containers: [containerResult({ nvidiaSmi: text })] }), PATHS),
  // the host, where containers can leave their words as well
  parseXids,
  parseGpuHealth: (text) => parseGpuHealth(text, text),
  parseKernelModule,
  parseGpuInformation: (text) => parseGpuInformation(text, '0'),
  'the configuration of a container': (text) => passthroughOf(parseContainerConfig(text)),
  'the configuration of a container: a value': (text) => tags(parseContainerConfig(`tags: ${text}`)),
  parseStorageTypes,
  versionInFileName,
  // Keyrings, package indexes: with src/repository.
  // What a runfile says of itself, and a checksum's file.
  parseStub: orRefused((text) => parseStub(Buffer.from(text), 'x')),
  'parseStub: a script': orRefused((text) => parseStub(Buffer.from(`#!/bin/sh\nskip=${text}`), 'x')),
  parseSha256Sum,
};

/** What is repeated: a character, a word that some pattern waits for, and lines as long as they may be. */
const PIECES = [
  ...[
    '/',
    ' ',
    '\t',
    '\n',
    '\r',
    '\r\n',
    'a',
    '0',
    '.',
    '-',
    '=',
    '"',
    "'",
    '&',
    ',',
    ':',
    '::',
    '//',
    '@',
    '?',
    '#',
    '€',
    '\0',
  ],
  ...[
    '\x1b',
    '\x1b[',
    '\x1b[0',
    '\x1b]',
    ' \n',
    '\n ',
    '\t\n',
    ', ',
    '.so.',
    '.so.1',
    '-1',
    '1.',
    '1:',
    'a:',
    '//a',
    '//@',
  ],
  ...['deb ', 'deb https://', 'https://', '\ndeb https://x/', 'URIs: ', '\nURIs: https://x ', '$(ARCH)', '#\n'],
  ...[
    'E: ',
    '\nE: ',
    '\nERROR: ',
    '\nERROR: x\ny',
    'ERROR: x\n \n',
    'Sub-process ',
    '404 ',
    'dlstatus:',
    '1:2:',
    'release 1',
  ],
  ...[
    'node\t',
    'node\n',
    'space\t\n',
    '\nlibrary\t/',
    '\nlink\tx',
    'gpu GPU-',
    '\ngpu GPU-0',
    '\nfailed x',
    'NVRM: Xid (PCI:0',
  ],
  ...[
    '0, GPU-a, b, 1, 2, 3\n',
    'lxc.a: ',
    'dev0: ',
    '[x]\n',
    '-----BEGIN PGP PUBLIC KEY BLOCK-----\n',
    'KEY="',
    'a / b c ',
  ],
  ...[' '.repeat(1990), 'Sub-process '.repeat(160), "E: Version '' for '' ".repeat(90), '\t \t'.repeat(600)].map(
    (line) => `${line}x\n`,
  ),
];

const SIZE = 48 * 1024;
/** A reader in proportion needs some milliseconds for that; one that goes over each rest of the text again, seconds. */
const MOST_MILLISECONDS = 100;

/** Milliseconds of processor that reading takes: what else the machine does doesn't count. */
function once(read: (text: string) => unknown, text: string): number {
  const before = process.cpuUsage();
  read(text);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The least of several times. */
function time(read: (text: string) => unknown, text: string): number {
  return Math.min(...[0, 0, 0].map(() => once(read, text)));
}

describe('time in proportion to the text', () => {
  it.each(Object.entries(READERS))('%s', { timeout: 60_000 }, (_name, read) => {
    for (const piece of PIECES) {
      for (const end of ['', 'x']) {
        const of = (size: number) => `${piece.repeat(Math.ceil(size / piece.length)).slice(0, size)}${end}`;
        if (once(read, of(SIZE)) < MOST_MILLISECONDS) continue;
        const whole = time(read, of(SIZE));
        if (whole < MOST_MILLISECONDS) continue;
        // Four times the text takes sixteen times as long where it isn't in proportion: a slow machine alone is no failure.
        const ratio = whole / Math.max(time(read, of(SIZE / 4)), 1);
        expect(ratio, `of ${JSON.stringify(piece.slice(0, 40))}, then ${JSON.stringify(end)}`).toBeLessThan(10);
      }
    }
  });

  it('notices what is not', { timeout: 60_000 }, () => {
    const slashes = (text: string) => text.replace(/\/+$/, '');
    const of = (size: number) => `${'/'.repeat(size)}x`;
    const half = time(slashes, of(SIZE / 2));
    expect(half).toBeGreaterThan(MOST_MILLISECONDS);
    expect(half / time(slashes, of(SIZE / 8))).toBeGreaterThan(10);
  });
});
