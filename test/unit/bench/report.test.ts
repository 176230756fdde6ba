import { describe, expect, it } from 'vitest';
import { markdown, type Results, svg } from '../../../bench/report.ts';
import { ratio, spread } from '../../../bench/statistics.ts';

describe('spread', () => {
  it('is median, least and most, in any order', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 });
    expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, least: 1, most: 4 });
  });

  it('of ratios is taken round by round: a slow round does not count', () => {
    expect(ratio([2, 20, 4], [1, 10, 2])).toEqual({ median: 2, least: 2, most: 2 });
  });
});

const RESULTS: Results = {
  about: ['in a test'],
  cases: [
    {
      name: 'converged, 1 container',
      series: [
        {
          contender: 'action',
          seconds: [1, 2, 3],
          pctCalls: [1, 1, 1],
          memory: [64, 64, 65].map((mib) => mib * 1024 ** 2),
        },
        { contender: 'bash', seconds: [4, 4, 12], pctCalls: [3, 3, 3], memory: [] },
      ],
    },
  ],
};

describe('the report', () => {
  it('compares every contender with the first one', () => {
    const rows = markdown(RESULTS)
      .split('\n')
      .filter((line) => line.startsWith('|'));
    expect(rows.slice(2)).toEqual([
      '| converged, 1 container | action | 2.00 (1.00–3.00) | 1 | 1 | 64 MiB |',
      '|  | bash | 4.00 (4.00–12.0) | 4.00 (2.00–4.00) | 3 | – |',
    ]);
  });

  it('is drawn with a bar and its spread for each', () => {
    const drawn = svg(RESULTS);
    expect(drawn.match(/<rect x=/g)).toHaveLength(2);
    expect(drawn).toContain('>converged, 1 container</text>');
    expect(drawn).not.toContain('NaN');
  });
});
