import { ratio, type Spread, spread } from './statistics.ts';

/** What one contender took in one case, round by round. */
export interface Series {
  contender: string;
  seconds: number[];
  pctCalls: number[];
  /** Bytes. */
  memory: number[];
}

export interface Case {
  name: string;
  /** The first one is what the others are compared with. */
  series: Series[];
}

export interface Results {
  /** What was measured, on what: for people. */
  about: string[];
  cases: Case[];
}

const MIB = 1024 * 1024;
const number = (value: number) => value.toFixed(value < 10 ? 2 : 1);
const withSpread = ({ median, least, most }: Spread) => `${number(median)} (${number(least)}–${number(most)})`;

/** The results as a Markdown table. */
export function markdown({ about, cases }: Results): string {
  const head = ['Case', 'Contender', 'Seconds', 'Times the first', '`pct` calls', 'Peak memory'];
  const rows = cases.flatMap(({ name, series }) =>
    series.map((one, index) => [
      index === 0 ? name : '',
      one.contender,
      withSpread(spread(one.seconds)),
      index === 0 ? '1' : withSpread(ratio(one.seconds, series[0]?.seconds ?? [])),
      one.pctCalls.length === 0 ? '–' : String(spread(one.pctCalls).median),
      one.memory.length === 0 ? '–' : `${Math.round(spread(one.memory).median / MIB)} MiB`,
    ]),
  );
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    '# Benchmark',
    '',
    ...about.map((text) => `- ${text}`),
    '- Medians, with the least and the most in brackets. Ratios are taken round by round.',
    '',
    line(head),
    line(head.map(() => '---')),
    ...rows.map(line),
    '',
    '![The same as a plot](results.svg)',
    '',
  ].join('\n');
}

const COLOURS = ['#1a7f37', '#57606a', '#bc4c00', '#8250df'];
const ROW = 22;
const LEFT = 260;
const WIDTH = 420;

/** The ratios as bars, with their spread; on a logarithmic scale from 0.5. */
export function svg({ cases }: Results): string {
  const bars = cases.flatMap(({ name, series }) =>
    series.map((one, index) => ({
      label: index === 0 ? name : '',
      contender: one.contender,
      colour: COLOURS[index % COLOURS.length],
      value: ratio(one.seconds, series[0]?.seconds ?? []),
    })),
  );
  const most = Math.max(2, ...bars.map(({ value }) => value.most));
  const x = (value: number) => LEFT + (WIDTH * Math.log2(Math.max(value, 0.5) / 0.5)) / Math.log2(most / 0.5);
  const text = (left: number, top: number, content: string, anchor = 'start') =>
    `<text x="${left.toFixed(1)}" y="${top}" text-anchor="${anchor}">${content}</text>`;
  const height = 40 + bars.length * ROW;
  const lines = bars.flatMap(({ label, contender, colour, value }, index) => {
    const top = 30 + index * ROW;
    const middle = top + 7;
    return [
      text(4, top + 11, label),
      text(LEFT - 8, top + 11, contender, 'end'),
      `<rect x="${x(0.5)}" y="${top}" width="${(x(value.median) - x(0.5)).toFixed(1)}" height="14" fill="${colour}"/>`,
      `<line x1="${x(value.least).toFixed(1)}" x2="${x(value.most).toFixed(1)}" y1="${middle}" y2="${middle}" stroke="#000"/>`,
      text(x(value.most) + 6, top + 11, number(value.median)),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + 60}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    text(4, 16, 'Time, as a multiple of the first of each case (logarithmic; the line is least to most)'),
    `<line x1="${x(1).toFixed(1)}" x2="${x(1).toFixed(1)}" y1="24" y2="${height}" stroke="#d0d7de"/>`,
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}
