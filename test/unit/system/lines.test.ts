import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LastLines, LineSplitter } from '../../../src/system/lines.ts';

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

  it('keeps the first 65536 characters of a line without end', () => {
    const [line, ...rest] = split(...Array.from({ length: 20 }, () => 'x'.repeat(10_000)), '\nnext\n');
    expect(line).toHaveLength(65_536);
    expect(rest).toEqual(['next']);
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

  it('takes a million lines in no time', () => {
    const lines = new LastLines(1024);
    const started = performance.now();
    for (let line = 0; line < 1_000_000; line++) lines.add('');
    expect(performance.now() - started).toBeLessThan(2000);
    expect(lines.text()).toHaveLength(1023);
  });
});
