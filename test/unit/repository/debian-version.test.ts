import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareDebianVersions, isDebianVersion } from '../../../src/repository/debian-version.ts';

describe('isDebianVersion', () => {
  it.each(['1', '12.8.1-1', '1:2.3~rc1+b1-4ubuntu0.1', '1.2-3-1', '0:1', '2:1:3-1'])('takes %s', (version) => {
    expect(isDebianVersion(version)).toBe(true);
  });

  it.each(['', 'a1', '1-', '-1', ':1', 'a:1', '1:', '1_2', '1 2', '1\n', '1;id', `${'1'.repeat(129)}`])(
    'refuses %j',
    (version) => {
      expect(isDebianVersion(version)).toBe(false);
    },
  );
});

describe('compareDebianVersions', () => {
  it.each([
    ['1.17.8-1', '1.19.1-1'],
    ['12.8.0-1', '12.8.1-1'],
    ['12.8.93-1', '12.10.1-1'],
    ['1.0~rc1-1', '1.0-1'],
    ['1.0', '1.0-1'],
    ['1.0-1', '1.0-1+b1'],
    ['1.0-1~bpo12+1', '1.0-1'],
    ['2.0', '1:1.0'],
    ['1.0a', '1.0+'],
    ['1.2-3-1', '1.2-3-2'],
    ['9'.repeat(30), `1${'0'.repeat(30)}`],
  ])('puts %s before %s', (older, newer) => {
    expect(compareDebianVersions(older, newer)).toBeLessThan(0);
    expect(compareDebianVersions(newer, older)).toBeGreaterThan(0);
  });

  it.each([
    ['1.0', '1.0'],
    ['1.0', '0:1.0'],
    ['1.02', '1.2'],
    ['1.0', '1.0-0'],
    ['1.', '1.0'],
  ])('finds %s and %s equal', (a, b) => {
    expect(compareDebianVersions(a, b)).toBe(0);
  });

  it('agrees with dpkg', () => {
    const piece = fc.oneof(
      fc.constantFrom('0', '1', '9', '10', '02', '2', 'a', 'rc', 'Z', '~', '~~', '+', '.', '.', '+b1', '~bpo12'),
      fc.integer({ min: 0, max: 200 }).map(String),
    );
    const part = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''));
    const version = fc
      .tuple(fc.constantFrom('', '', '', '0:', '1:', '12:'), fc.nat(12), part, fc.option(part), fc.option(part))
      .map(
        ([epoch, first, upstream, more, revision]) =>
          `${epoch}${first}${upstream}${more === null ? '' : `-${more}`}${revision === null ? '' : `-1${revision}`}`,
      )
      // dpkg refuses an empty revision.
      .filter((text) => !text.endsWith('-'));
    // Pairs of versions that differ in one place only are the interesting ones.
    const pair = fc.oneof(
      fc.tuple(version, version),
      fc.tuple(version, piece).map(([text, added]): [string, string] => [text, `${text}${added}`]),
    );
    const pairs: [string, string][] = [
      ...fc.sample(pair, 300),
      ['1.0', '0:1.0'],
      ['1.02-1', '1.2-1'],
      ['1.0', '1.0-0'],
    ];
    // One shell asks dpkg for all pairs: a process of its own for each costs seconds.
    const script =
      'while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo lt; elif dpkg --compare-versions "$a" gt "$b"; then echo gt; else echo eq; fi; done';
    const answers = execFileSync('/bin/sh', ['-c', script], {
      input: pairs.map(([a, b]) => `${a} ${b}\n`).join(''),
      stdio: ['pipe', 'pipe', 'inherit'],
      encoding: 'utf8',
    })
      .trim()
      .split('\n');
    expect(answers).toHaveLength(pairs.length);
    expect(new Set(answers)).toEqual(new Set(['lt', 'gt', 'eq']));
    const ours = pairs.map(([a, b]) => {
      const order = compareDebianVersions(a, b);
      return `${a} ${order < 0 ? 'lt' : order > 0 ? 'gt' : 'eq'} ${b}`;
    });
    expect(ours).toEqual(pairs.map(([a, b], index) => `${a} ${answers[index]} ${b}`));
  });
});
