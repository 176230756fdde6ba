import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { canonicalJson } from '../../../src/system/canonical-json.ts';
import { parseJson } from '../../../src/system/json.ts';
import { failureOf } from '../helpers/failure.ts';

describe('canonicalJson', () => {
  it('orders keys at every depth and adds no white space', () => {
    expect(canonicalJson({ b: [{ d: 1, c: null }], a: 'é' })).toBe('{"a":"é","b":[{"c":null,"d":1}]}');
  });

  it('is JSON of the same value, whatever order its keys were made in', () => {
    const reversed = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(reversed)
        : value !== null && typeof value === 'object'
          ? Object.fromEntries(
              Object.entries(value)
                .reverse()
                .map(([key, part]) => [key, reversed(part)]),
            )
          : value;
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(reversed(value))).toBe(text);
      }),
    );
  });
});

describe('parseJson', () => {
  const schema = z.object({ a: z.number(), list: z.array(z.object({ b: z.string() })) });
  const failure = (text: string) =>
    failureOf(() => parseJson(text, schema, 'x.json', 'PLAN_INVALID', 'Make a new one.'));

  it('gives what the text holds', () => {
    expect(parseJson('{"a": 1, "list": [], "more": 2}', schema, 'x', 'BUG', '')).toEqual({ a: 1, list: [] });
  });

  it.each(['', '{', '{"a": 1, "list": [{"b": "x"', 'null', '[]', '"text"'])('refuses %j', async (text) => {
    expect(await failure(text)).toMatchObject({ code: 'PLAN_INVALID', remedy: 'Make a new one.' });
  });

  it('names the places of faults', async () => {
    const { seen } = await failure('{"a": "1", "list": [{}, {"b": 2}]}');
    for (const place of ['x.json', 'a:', 'list.0.b:', 'list.1.b:']) expect(seen).toContain(place);
  });

  it('names few of many faults', async () => {
    const { seen } = await failure(JSON.stringify({ a: 1, list: Array(500).fill({}) }));
    expect(seen.length).toBeLessThan(600);
  });
});
