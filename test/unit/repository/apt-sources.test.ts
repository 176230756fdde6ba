import { describe, expect, it } from 'vitest';
import { SOURCES_PATH } from '../../../src/repository/apt-files.ts';
import { sourceConflicts } from '../../../src/repository/apt-sources.ts';
import { cudaRepository, nvidiaContainerRepository } from '../../../src/repository/repositories.ts';

const DEBIAN12 = { id: 'debian', version: '12', cudaName: 'debian12', cudaKey: '' } as const;
const REPOSITORIES = [
  cudaRepository({ base: 'https://mirror.example/nvidia/cuda', keys: [] }, DEBIAN12, 'x86_64'),
  nvidiaContainerRepository({ base: 'https://mirror.example/nvidia/container', keys: [] }, 'x86_64'),
];
const LIST = '/etc/apt/sources.list.d/some.list';
const SOURCES = '/etc/apt/sources.list.d/some.sources';
const conflicts = (path: string, text: string) => sourceConflicts([{ path, text }], REPOSITORIES, 'amd64');

const CUDA =
  'deb [signed-by=/usr/share/keyrings/cuda-archive-keyring.gpg] https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/ /';
const CONTAINER = 'deb https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH) /';
const DEBIAN = 'deb http://mirror.example/debian bookworm main';

describe('sourceConflicts in one-line files', () => {
  it.each([
    CUDA,
    CONTAINER,
    'deb http://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/x86_64 /',
    'deb https://developer.download.nvidia.cn/compute/cuda/repos/debian12/x86_64/ /',
    'deb https://nvidia.github.io/nvidia-docker/debian11/$(ARCH) /',
    'deb-src https://developer.download.nvidia.com/compute/machine-learning/repos/ubuntu2204/x86_64 /',
    'deb https://mirror.example/nvidia/cuda/debian12/x86_64/ /',
    'deb [arch=amd64 signed-by=/x.gpg] https://mirror.example/nvidia/cuda/debian12/x86_64 /',
    'deb https://mirror.example/nvidia/cuda/debian12/x86_64///// /',
    '\tdeb https://mirror.example/nvidia/container/stable/deb/amd64/ /',
    'deb https://mirror.example/nvidia/container/stable/deb/$(ARCH) /',
  ])('puts a file aside that holds only %j', (line) => {
    expect(conflicts(LIST, `# comment\n\n${line}\n`)).toEqual([{ kind: 'whole-file', path: LIST }]);
  });

  it('disables only the lines that conflict', () => {
    expect(conflicts('/etc/apt/sources.list', `${DEBIAN}\n${CUDA}\n# end\n`)).toEqual([
      {
        kind: 'lines',
        path: '/etc/apt/sources.list',
        text: `${DEBIAN}\n# disabled by proxmox-lxc-nvidia: ${CUDA}\n# end\n`,
      },
    ]);
  });

  it.each([
    DEBIAN,
    `# ${CUDA}`,
    `#${CUDA}`,
    'deb https://mirror.example/ bookworm main',
    'deb https://mirror.example/nvidia/cuda/ubuntu2204/x86_64/ /',
    'deb https://mirror.example/nvidia/cuda-old/debian12/x86_64/ /',
    'deb file:/srv/nvidia /',
    `deb https://mirror.example/nvidia/cuda/debian12/x86_64/${'/'.repeat(3000)} /`,
    'deb https://example.org/?from=https://nvidia.github.io.evil.example/ stable main',
    '',
  ])('leaves %j alone', (line) => {
    expect(conflicts(LIST, `${line}\n`)).toEqual([]);
  });
});

describe('sourceConflicts in deb822 files', () => {
  const stanza = (uris: string) => `Types: deb\nURIs: ${uris}\nSuites: /\nSigned-By: /x.gpg\n`;
  const NVIDIA = 'https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/';

  it.each([
    stanza(NVIDIA),
    stanza(NVIDIA).replace('URIs', 'uris'),
    `${stanza(NVIDIA)}\n${stanza('https://nvidia.github.io/libnvidia-container/stable/deb/amd64')}`,
    stanza(`\n ${NVIDIA}`),
  ])('puts a file aside that holds only %j', (text) => {
    expect(conflicts(SOURCES, text)).toEqual([{ kind: 'whole-file', path: SOURCES }]);
  });

  it.each([
    `${stanza('http://mirror.example/debian')}\n${stanza(NVIDIA)}`,
    stanza(`http://mirror.example/debian ${NVIDIA}`),
    stanza(`http://mirror.example/debian\n ${NVIDIA}`),
  ])('leaves %j to its owner', (text) => {
    expect(conflicts(SOURCES, text)).toEqual([{ kind: 'mixed', path: SOURCES }]);
  });

  it.each([stanza('http://mirror.example/debian'), `# URIs: ${NVIDIA}\n`, ''])('sees nothing in %j', (text) => {
    expect(conflicts(SOURCES, text)).toEqual([]);
  });
});

it('our own file is no conflict', () => {
  expect(conflicts(SOURCES_PATH, `URIs: ${REPOSITORIES[0]?.uri}\n`)).toEqual([]);
});
