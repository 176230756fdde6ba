import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytesText,
  durationText,
  joinedLines,
  lastLines,
  logText,
  namesText,
  printable,
  shownUrl,
  withoutEnding,
} from '../../../src/system/text.ts';

const ESCAPE = '\u001b';

/** What actions/runner takes for a workflow command (ActionCommand.cs: TryParseV2, TryParse). */
const isCommand = (line: string) => line.trimStart().startsWith('::') || line.includes('##[');

/** Text that is likely to hold pieces of commands. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom('::', ':', '##[', '##', '#', '[', 'error', 'set-output name=x::y', ' ', '\t', '\r', '\n', '\r\n'),
      fc.constantFrom(
        '\u0000',
        '\u0085',
        '\u2028',
        '\u2029',
        '\ufeff',
        '\u200b',
        '\u202e',
        '\u00a0',
        ESCAPE,
        `${ESCAPE}[31m`,
      ),
      fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)),
    ),
  )
  .map((pieces) => pieces.join(''));

describe('printable', () => {
  it.each([
    ['plain text\twith a tab\n', 'plain text\twith a tab\n'],
    [`${ESCAPE}[1;31mred${ESCAPE}[0m`, 'red'],
    [`${ESCAPE}]0;title\u0007after`, 'after'],
    [`${ESCAPE}]8;;https://example.org${ESCAPE}\\link${ESCAPE}]8;;${ESCAPE}\\`, 'link'],
    ['10%\r20%\r\n30%\n', '10%\n20%\n30%\n'],
    ['one\r\ntwo\r\n', 'one\ntwo\n'],
    ['a\u0000b\u0007c\u007fd\u0085e', 'abcde'],
    ['a\u202eb\u200bc\ufeffd\u2028e\u2029f', 'abcdef'],
    ['Größe 日本 ✓ 😀', 'Größe 日本 ✓ 😀'],
    ['', ''],
  ])('makes %j fit to be shown', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('cuts lines longer than 2000 characters, each for itself', () => {
    expect(printable(`${'x'.repeat(2000)}\n${'y'.repeat(2003)}`)).toBe(
      `${'x'.repeat(2000)}\n${'y'.repeat(2000)}… (3 more characters)`,
    );
  });

  it.each(['\u2028', '\r', 'a\r', `${ESCAPE}[`, `${ESCAPE}]`, `${ESCAPE}]8;;`, '\n', ' '])(
    'takes time in proportion to the text: 20,000 times %j',
    (piece) => {
      const started = performance.now();
      printable(piece.repeat(20_000));
      expect(performance.now() - started).toBeLessThan(500);
    },
  );

  it('leaves no control character but tabs and line feeds', () => {
    fc.assert(fc.property(hostile, (text) => !/[^\P{Cc}\t\n]|[\p{Cf}\u2028\u2029]/u.test(printable(text))));
  });
});

describe('logText', () => {
  it('puts the prefix before every line', () => {
    expect(logText('one\ntwo\r\nthree', '901 │ ')).toBe('901 │ one\n901 │ two\n901 │ three');
  });

  it.each([
    '::error::x',
    '  ::error::x',
    'fine\n::stop-commands::x',
    '10%\r::set-env name=A::b',
    `${ESCAPE}[0m::error::x`,
    '\u200b::error::x',
    'before ##[error]x',
    `##${ESCAPE}[0m[error]x`,
    '##\u200b[group]x',
    '####[error]',
    '##[##[error]',
  ])('makes no command of %j', (text) => {
    for (const line of logText(text, '901 │ ').split('\n')) expect(line).not.toSatisfy(isCommand);
  });

  it('makes no command of anything', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        for (const line of logText(text, '901 │ ').split('\n')) expect(isCommand(line)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('lastLines', () => {
  it('gives the last lines that are not empty', () => {
    expect(lastLines('one\n\ntwo\n  \nthree\n\n', 2)).toBe('two\nthree');
    expect(lastLines('one', 5)).toBe('one');
    expect(lastLines('\n \n', 5)).toBe('');
  });
});

describe('shownUrl', () => {
  it.each([
    ['https://example.org/a/b.run', 'https://example.org/a/b.run'],
    ['https://me:s3cret@example.org:8443/a', 'https://***@example.org:8443/a'],
    ['https://token@example.org/a', 'https://***@example.org/a'],
    ['https://:s3cret@example.org/a', 'https://***@example.org/a'],
    ['https://example.org/a?X-Amz-Signature=s3cret&b=1', 'https://example.org/a?***'],
    ['no address\u0007', 'no address'],
  ])('shows %s as %s', (address, shown) => {
    expect(shownUrl(address)).toBe(shown);
  });
});

describe('joinedLines', () => {
  it.each([
    ['one', 'one'],
    ['  one\ntwo ', '  one two'],
    ['one  \n \n\t two\n', 'one two'],
    ['\nx', ' x'],
    ['', ''],
  ])('makes of %j %j', (text, joined) => {
    expect(joinedLines(text)).toBe(joined);
  });
});

describe('withoutEnding', () => {
  it.each([
    ['https://x//', 'https://x'],
    ['/', ''],
    ['', ''],
    ['/x', '/x'],
  ])('makes of %j %j', (text, rest) => {
    expect(withoutEnding(text, '/')).toBe(rest);
  });
});

describe('namesText', () => {
  it('names the first of many', () => {
    expect(namesText(['a', 'b'])).toBe('a, b');
    expect(namesText(['a', 'b', 'c', 'd'], 2)).toBe('a, b and 2 more');
    expect(namesText([])).toBe('');
  });
});

describe('amounts for people', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [398_016_015, '379.6 MiB'],
    [1024 ** 3 * 1.5, '1.5 GiB'],
    [1024 ** 5, '1024.0 TiB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(bytesText(bytes)).toBe(text);
  });

  it.each([
    [0, '0.0 s'],
    [3.24, '3.2 s'],
    [60, '1 min 0 s'],
    [119.6, '2 min 0 s'],
    [125, '2 min 5 s'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(durationText(seconds)).toBe(text);
  });
});
