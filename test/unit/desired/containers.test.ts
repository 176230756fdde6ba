import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseContainerList, selectContainers } from '../../../src/desired/containers.ts';
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
    expect(parseContainerList(text)).toEqual({ ctids, tags: [], all: false });
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
    ['tag:', '"tag:"'],
    ['tag:-gpu', '"tag:-gpu"'],
    ['tag:$(id)', '"tag:$(id)"'],
    ['gpu', '"gpu"'],
    ['null', '"null"'],
    ['901$(id)', '"901$(id)"'],
    ['9e2', '"9e2"'],
    ['٩٠١', '"٩٠١"'],
    ['905-901', '"905-901"'],
  ])('refuses %j and names %s', async (text, named) => {
    const failure = await failureOf(() => parseContainerList(text));
    expect(failure.code).toBe('CONTAINER_LIST_INVALID');
    expect(failure.message).toContain(named);
  });

  it.each([
    ['901,901', '901'],
    ['901-903 902', '902'],
    ['tag:gpu, tag:GPU', 'tag:GPU'],
  ])('refuses %j, which names %s twice', async (text, named) => {
    const failure = await failureOf(() => parseContainerList(text));
    expect(failure.code).toBe('CONTAINER_NAMED_TWICE');
    expect(failure.seen).toContain(`"${named}"`);
  });

  it('reads tags beside ids', () => {
    expect(parseContainerList('tag:GPU 901\ntag:a_b-c.d+e')).toEqual({
      ctids: [901],
      tags: ['a_b-c.d+e', 'gpu'],
      all: false,
    });
  });

  it('writes a range that runs backwards the right way round', async () => {
    expect((await failureOf(() => parseContainerList('905-901'))).remedy).toContain('901-905');
  });

  it('takes 256 containers, not more, and says so at once', async () => {
    expect(parseContainerList('1000-1255').ctids).toHaveLength(256);
    for (const text of ['1000-1256', '1000-10999', '100-999999999']) {
      const failure = await failureOf(() => parseContainerList(text));
      expect(failure.code).toBe('CONTAINER_RANGE_TOO_LARGE');
      expect(failure.message).toContain('256');
    }
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
        expect(parseContainerList(items.join(separator)).ctids).toEqual(sorted);
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
          for (const ctid of parseContainerList(text).ctids) expect(ctid).toBeGreaterThanOrEqual(100);
        } catch (error) {
          expect(error).toBeInstanceOf(ActionError);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('selectContainers', () => {
  const known = [
    { ctid: 905, tags: ['gpu', 'production'] },
    { ctid: 901, tags: ['gpu'] },
    { ctid: 902, tags: [] },
  ];

  it('takes the ids as they are, known or not', () => {
    expect(selectContainers({ ctids: [900, 902], tags: [], all: false }, [])).toEqual([900, 902]);
  });

  it('adds every container with one of the tags, each once', () => {
    expect(selectContainers({ ctids: [900, 901], tags: ['gpu', 'production'], all: false }, known)).toEqual([
      900, 901, 905,
    ]);
  });

  it('takes every one there is where all are meant', () => {
    expect(selectContainers({ ctids: [], tags: [], all: true }, known)).toEqual([905, 901, 902]);
  });

  it('refuses a tag that nothing has, although another one has', async () => {
    const failure = await failureOf(() => selectContainers({ ctids: [901], tags: ['gpu', 'gpus'], all: false }, known));
    expect(failure.code).toBe('SELECTION_EMPTY');
    expect(failure.seen).toContain('"gpus"');
  });
});
