import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseContainerList } from '../../../src/desired/containers.ts';
import { ActionError } from '../../../src/errors.ts';
import { anyText } from '../helpers/any-text.ts';
import { failureOf } from '../helpers/failure.ts';

describe('parseContainerList', () => {
  it.each([
    ['901', [901]],
    ['901,902', [901, 902]],
    ['901, 903-905', [901, 903, 904, 905]],
    ['  905\n901 \r\n\t903,, ', [901, 903, 905]],
    ['901-901', [901]],
    ['100', [100]],
    ['999999999', [999_999_999]],
    ['1000-1002 100', [100, 1000, 1001, 1002]],
    ['', []],
    [' ,\n, ', []],
  ])('reads %j', (text, ctids) => {
    expect(parseContainerList(text)).toEqual(ctids);
  });

  it.each([
    ['12; rm -rf /', '"12;"'],
    ['99', '"99"'],
    ['0901', '"0901"'],
    ['1000000000', '"1000000000"'],
    ['901-', '"901-"'],
    ['-901', '"-901"'],
    ['901-902-903', '"901-902-903"'],
    ['901 - 903', '"-"'],
    ['901..903', '"901..903"'],
    ['tag:gpu', '"tag:gpu"'],
    ['null', '"null"'],
    ['901$(id)', '"901$(id)"'],
    ['9e2', '"9e2"'],
    ['٩٠١', '"٩٠١"'],
    ['905-901', '"905-901"'],
    ['901,901', '901'],
    ['901-903 902', '902'],
  ])('refuses %j and names %s', async (text, named) => {
    const failure = await failureOf(() => parseContainerList(text));
    expect(failure.code).toBe('CONTAINER_LIST_INVALID');
    expect(failure.message).toContain(named);
  });

  it('writes a range that runs backwards the right way round', async () => {
    expect((await failureOf(() => parseContainerList('905-901'))).remedy).toContain('901-905');
  });

  it('takes 256 containers, not more, and says so at once', async () => {
    expect(parseContainerList('1000-1255')).toHaveLength(256);
    expect((await failureOf(() => parseContainerList('1000-1256'))).message).toContain('256');
    expect((await failureOf(() => parseContainerList('100-999999999'))).message).toContain('256');
  });

  it('gives back every set that was written as ids and ranges', () => {
    const sets = fc.uniqueArray(fc.integer({ min: 100, max: 160 }), { minLength: 1, maxLength: 40 });
    const separators = fc.constantFrom(',', ' ', '\n', ', ', ' ,\n');
    fc.assert(
      fc.property(sets, separators, fc.boolean(), (set, separator, backwards) => {
        const sorted = [...set].sort((a, b) => a - b);
        const items: string[] = [];
        for (let at = 0; at < sorted.length; ) {
          let end = at;
          while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++;
          items.push(end === at ? `${sorted[at]}` : `${sorted[at]}-${sorted[end]}`);
          at = end + 1;
        }
        if (backwards) items.reverse();
        expect(parseContainerList(items.join(separator))).toEqual(sorted);
      }),
    );
  });

  it('answers whatever else is written with ids or an ActionError', () => {
    const nearly = fc
      .array(fc.constantFrom(...'0123456789-, \n;:$()ab'), { maxLength: 25 })
      .map((characters) => characters.join(''));
    fc.assert(
      fc.property(fc.oneof(nearly, anyText), (text) => {
        try {
          for (const ctid of parseContainerList(text)) expect(ctid).toBeGreaterThanOrEqual(100);
        } catch (error) {
          expect(error).toBeInstanceOf(ActionError);
        }
      }),
      { numRuns: 200 },
    );
  });
});
