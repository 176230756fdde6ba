import { expect, it } from 'vitest';
import { parseStub } from '../../../src/runfile/stub.ts';
import { expectLinear } from '../helpers/linear-time.ts';

const SIZE = 256 * 1024;

/** A stub of about this size. */
const STUBS: Record<string, (size: number) => string> = {
  'one long line': (size) => `skip=${'x'.repeat(size)}`,
  'a long line of quotes': (size) => `skip=${'"'.repeat(size)}`,
  'many lines without anything': (size) => '\n'.repeat(size),
  'many lines that begin well': (size) => 'skip="x\nMD5=a"b"\n'.repeat(size / 16),
  'a name without end': (size) => 'version_string'.repeat(size / 14),
  'a number that no file has so many lines for': (size) => `skip=999999999\n${'\n'.repeat(size)}`,
};

it.each(Object.entries(STUBS))('%s is read in linear time', (_, stub) => {
  expectLinear((text) => {
    const head = Buffer.from(`#!/bin/sh\n${text}`, 'latin1');
    expect(() => parseStub(head, 'x')).toThrow('not the runfile');
  }, stub(SIZE));
});

it.each(['99999999999999999999', '1e3', '0x10', '-1', 'Infinity', '', '1', '0'])('skip=%s leads nowhere', (number) => {
  const head = Buffer.from(`#!/bin/sh\nskip=${number}\n`.padEnd(100, '\n'));
  expect(() => parseStub(head, 'x')).toThrow('does not say where the archive begins');
});
