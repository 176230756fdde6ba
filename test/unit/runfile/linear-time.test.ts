import { expect, it } from 'vitest';
import { parseStub } from '../../../src/runfile/stub.ts';

const KIB = 1024;

/** A stub of about this size. */
const STUBS: Record<string, (size: number) => string> = {
  'one long line': (size) => `skip=${'x'.repeat(size)}`,
  'a long line of quotes': (size) => `skip=${'"'.repeat(size)}`,
  'many lines without anything': (size) => '\n'.repeat(size),
  'many lines that begin well': (size) => 'skip="x\nMD5=a"b"\n'.repeat(size / 16),
  'a name without end': (size) => 'version_string'.repeat(size / 14),
  'a number that no file has so many lines for': (size) => `skip=999999999\n${'\n'.repeat(size)}`,
};

/** Milliseconds of the quickest of several readings. */
function time(text: string): number {
  const head = Buffer.from(`#!/bin/sh\n${text}`, 'latin1');
  const times = Array.from({ length: 5 }, () => {
    const started = performance.now();
    expect(() => parseStub(head, 'x')).toThrow('not the runfile');
    return performance.now() - started;
  });
  return Math.min(...times);
}

// A quadratic parser takes sixteen times as long for four times as much.
it.each(Object.keys(STUBS))(
  '%s is read in linear time',
  (name) => {
    const stub = STUBS[name] as (size: number) => string;
    const once = time(stub(256 * KIB));
    const fourfold = time(stub(1024 * KIB));
    expect(fourfold).toBeLessThan(10 * Math.max(once, 10));
  },
  60_000,
);

it.each(['99999999999999999999', '1e3', '0x10', '-1', 'Infinity', '', '1', '0'])('skip=%s leads nowhere', (number) => {
  const head = Buffer.from(`#!/bin/sh\nskip=${number}\n`.padEnd(100, '\n'));
  expect(() => parseStub(head, 'x')).toThrow('does not say where the archive begins');
});
