import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { DRIVER } from './facts.ts';

const COMPRESS = {
  zstd: (data: Buffer) => zstdCompressSync(data),
  xz: (data: Buffer) => execFileSync('/usr/bin/xz', ['-c', '-C', 'none'], { input: data }),
  gzip: (data: Buffer) => gzipSync(data, { level: 1 }),
  none: (data: Buffer) => data,
};

interface Options {
  version?: string | null;
  architecture?: string | null;
  compression?: keyof typeof COMPRESS;
  md5?: 'right' | 'none';
}

/** A runfile of NVIDIA's form with this archive: stub, decompressor, compressed archive (docs/facts.md, A8). */
export function runfileOf(archive: Buffer, options: Options = {}): Buffer {
  const { version = DRIVER, architecture = 'x86_64', compression = 'gzip', md5 = 'right' } = options;
  const stub = (skip: number) =>
    [
      '#! /bin/sh',
      'CRCsum=0000000000',
      `MD5=${'0'.repeat(32)}`,
      `skip=${skip}`,
      'skip_decompress=12',
      'label="NVIDIA Accelerated Graphics Driver for Linux-x86_64"',
      ...(version === null ? [] : [`version_string=${version}`]),
      'script=./nvidia-installer',
      ...(architecture === null ? [] : [`TARGET_ARCH="${architecture}"`]),
      'exit 1',
      '',
    ].join('\n');
  // The decompressor is a program with whatever bytes, line feeds among them.
  const decompressor = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0x0a, 0x00, 0xff, 0x0a, 0x0a]);
  const lines = (text: Buffer) => text.filter((byte) => byte === 0x0a).length;
  const skip = lines(Buffer.from(stub(0))) + lines(decompressor) + 1;
  const whole = Buffer.concat([Buffer.from(stub(skip)), decompressor, COMPRESS[compression](archive)]);
  if (md5 === 'none') return whole;
  const summed = whole.subarray(whole.indexOf('skip='));
  return Buffer.from(
    whole.toString('latin1').replace(/^MD5=0+$/m, `MD5=${createHash('md5').update(summed).digest('hex')}`),
    'latin1',
  );
}
