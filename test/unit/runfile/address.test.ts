import { describe, expect, it } from 'vitest';
import { parseSha256Sum, runfileAddresses, runfileName } from '../../../src/runfile/address.ts';

describe('runfileAddresses', () => {
  it.each([
    [
      'x86_64',
      [
        'https://us.download.nvidia.com/XFree86/Linux-x86_64/580.142/NVIDIA-Linux-x86_64-580.142.run',
        'https://us.download.nvidia.com/tesla/580.142/NVIDIA-Linux-x86_64-580.142.run',
      ],
    ],
    [
      'aarch64',
      [
        'https://us.download.nvidia.com/XFree86/aarch64/580.142/NVIDIA-Linux-aarch64-580.142.run',
        'https://us.download.nvidia.com/tesla/580.142/NVIDIA-Linux-aarch64-580.142.run',
      ],
    ],
  ] as const)("are both of NVIDIA's trees for %s", (architecture, addresses) => {
    expect(runfileAddresses({ kind: 'derived' }, '580.142', architecture)).toEqual(addresses);
  });

  it('are the one of a template, every placeholder filled in', () => {
    const url = 'https://mirror.example/{arch}/{version}/NVIDIA-Linux-{arch}-{version}.run';
    expect(runfileAddresses({ kind: 'template', url, source: 'x' }, '580.159.04', 'x86_64')).toEqual([
      'https://mirror.example/x86_64/580.159.04/NVIDIA-Linux-x86_64-580.159.04.run',
    ]);
  });

  it('end in the name of the runfile', () => {
    expect(runfileName('550.78', 'aarch64')).toBe('NVIDIA-Linux-aarch64-550.78.run');
  });
});

describe('parseSha256Sum', () => {
  const hash = 'aB'.repeat(32);

  it.each([
    `${hash}  NVIDIA-Linux-x86_64-580.159.04.run\n`,
    `${hash} *NVIDIA-Linux-x86_64-580.159.04.run`,
    `${hash}\n`,
    hash,
    `\n${hash}\r\n`,
    `${hash}\tx`,
  ])('reads %j', (text) => {
    expect(parseSha256Sum(text)).toBe(hash.toLowerCase());
  });

  it.each([
    '',
    '<html>',
    `${hash}0  x`,
    hash.slice(1),
    `x${hash}`,
    `${'g'.repeat(64)}  x`,
    'd41d8cd98f00b204e9800998ecf8427e  x',
  ])('finds no checksum in %j', (text) => {
    expect(parseSha256Sum(text)).toBeNull();
  });
});
