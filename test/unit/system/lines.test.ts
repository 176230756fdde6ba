import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FirstBytes, LastLines, LineSplitter } from '../../../src/system/lines.ts';
import { printable } from '../../../src/system/text.ts';

function split(...chunks: (string | Buffer)[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.write(Buffer.from(chunk));
  splitter.end();
  return lines;
}

describe('LineSplitter', () => {
  it.each([
    [['one\ntwo\n'], ['one', 'two']],
    [['one\ntwo'], ['one', 'two']],
    [
      ['on', 'e\n', '\n', 'two'],
      ['one', '', 'two'],
    ],
    [[''], []],
    [['\n'], ['']],
  ])('cuts %j into %j', (chunks, lines) => {
    expect(split(...chunks)).toEqual(lines);
  });

  it('hands a line on as soon as it ends', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    splitter.write(Buffer.from('one\ntw'));
    expect(lines).toEqual(['one']);
  });

  it('puts characters together that come in pieces', () => {
    const bytes = Buffer.from('Größe 😀\n');
    expect(split(...[...bytes].map((byte) => Buffer.from([byte])))).toEqual(['Größe 😀']);
  });

  it('replaces bytes that are no UTF-8', () => {
    expect(split(Buffer.from([0x61, 0xff, 0x0a, 0xe2, 0x82]))).toEqual(['a\ufffd', '\ufffd']);
  });

  it('cuts a line that is too long, and says how long it was', () => {
    const [line, ...rest] = split(...Array.from({ length: 20 }, () => 'x'.repeat(10_000)), '\nnext\n');
    expect(line).toBe(`${'x'.repeat(1960)}… (a line of 200000 bytes)`);
    expect(rest).toEqual(['next']);
  });

  it.each(['x', '€', '😀', '\u00e4'])('hands on at most 2000 characters and the note, of %j as well', (character) => {
    const whole = character.repeat(2000 / character.length);
    expect(split(`${whole}\n`)).toEqual([whole]);
    const [line = ''] = split(`${whole}${character}\n`);
    expect(line).toMatch(/^(x+|€+|😀+|ä+)… \(a line of \d+ bytes\)$/u);
    expect(line.length).toBeLessThanOrEqual(2000);
    expect(printable(line)).toBe(line);
  });

  it('keeps no more of a stream in memory than the lines that it handed on', () => {
    const chunk = Buffer.from(`${'€'.repeat(21_000)}\nend\n`);
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    const before = process.memoryUsage().rss;
    for (let number = 0; number < 2000; number++) splitter.write(chunk);
    expect(lines).toHaveLength(4000);
    // A slice of each chunk would hold 250 MB.
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 ** 2);
  });

  it('gives the same lines however the bytes are cut', () => {
    const text = fc.array(fc.constantFrom('a', 'ö', '😀', '\n', '\r\n', '')).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 5 }), (content, size) => {
        const bytes = Buffer.from(content);
        const chunks: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
        const expected = content.split('\n');
        if (expected.at(-1) === '') expected.pop();
        expect(split(...chunks)).toEqual(expected);
      }),
    );
  });
});

describe('FirstBytes', () => {
  it('keeps the beginning, however it comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), fc.integer({ min: 0, max: 100 }), (chunks, limit) => {
        const kept = new FirstBytes(limit);
        for (const chunk of chunks) kept.add(Buffer.from(chunk));
        expect(kept.text()).toBe(Buffer.concat(chunks).subarray(0, limit).toString());
      }),
    );
  });

  it('takes no more memory for many small chunks', () => {
    const kept = new FirstBytes(1024 ** 2);
    const before = process.memoryUsage().rss;
    const byte = Buffer.from('x');
    for (let number = 0; number < 2_000_000; number++) kept.add(byte);
    expect(kept.text()).toHaveLength(1024 ** 2);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 ** 2);
  });
});

describe('LastLines', () => {
  it('keeps the end, in whole lines', () => {
    const lines = new LastLines(20);
    for (const line of ['the first', 'the second', 'the third']) lines.add(line);
    expect(lines.text()).toBe('the third');
    lines.add('four');
    expect(lines.text()).toBe('the third\nfour');
  });

  it('keeps a line that is longer than that, and forgets it with the next one', () => {
    const lines = new LastLines(20);
    lines.add('x'.repeat(100));
    expect(lines.text()).toHaveLength(100);
    lines.add('end');
    expect(lines.text()).toBe('end');
  });

  it.each([1024, 1024 ** 2])('takes millions of lines in no time, also when it keeps %d of them', (limit) => {
    const lines = new LastLines(limit);
    const started = performance.now();
    for (let line = 0; line < 3_000_000; line++) lines.add('');
    expect(performance.now() - started).toBeLessThan(5000);
    expect(lines.text()).toHaveLength(limit - 1);
  });
});
