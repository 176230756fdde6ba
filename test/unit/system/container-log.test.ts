import { setImmediate } from 'node:timers/promises';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ContainerLogs } from '../../../src/system/container-log.ts';
import type { Log } from '../../../src/system/log.ts';

/** A log as the runner's: what is told becomes lines at once, and a group has a beginning and an end. */
class Lines implements Log {
  readonly lines: string[] = [];
  info(message: string): void {
    this.lines.push(message);
  }
  debug(message: string): void {
    this.lines.push(`debug ${message}`);
  }
  warning(message: string, title: string): void {
    this.lines.push(`warning ${title} ${message}`);
  }
  foreign(source: string, line: string): void {
    this.lines.push(`${source} │ ${line}`);
  }
  async group<T>(title: string, work: () => Promise<T>): Promise<T> {
    this.lines.push(`[ ${title}`);
    try {
      return await work();
    } finally {
      this.lines.push(']');
    }
  }
}

/** Lets everything run that is ready to. */
const turn = () => setImmediate();

describe('ContainerLogs', () => {
  it('shows the groups of a container that is alone as they grow', async () => {
    const lines = new Lines();
    const logs = new ContainerLogs(lines);
    const log = logs.forContainer();
    await logs.working(() =>
      log.group('901: install', async () => {
        log.info('one');
        await turn();
        expect(lines.lines).toEqual(['[ 901: install', 'one']);
        log.foreign('901', 'two');
      }),
    );
    expect(lines.lines).toEqual(['[ 901: install', 'one', '901 │ two', ']']);
  });

  it('keeps the groups of containers side by side until each ends, and says when each began', async () => {
    const lines = new Lines();
    const logs = new ContainerLogs(lines);
    const finish = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    const work = (ctid: number, end: Promise<void>) => {
      const log = logs.forContainer();
      return logs.working(() =>
        turn().then(() =>
          log.group(`${ctid}`, async () => {
            log.info(`${ctid} a`);
            await turn();
            log.warning(`${ctid} b`, 'TITLE');
            log.debug(`${ctid} c`);
            await end;
          }),
        ),
      );
    };
    const both = [work(901, finish[0].promise), work(902, finish[1].promise)];
    for (let i = 0; i < 5; i++) await turn();
    expect(lines.lines).toEqual([
      '901 (begun; its log follows when it has ended)',
      '902 (begun; its log follows when it has ended)',
    ]);
    finish[1].resolve();
    await both[1];
    finish[0].resolve();
    await both[0];
    expect(lines.lines.slice(2)).toEqual([
      ...['[ 902', '902 a', 'warning TITLE 902 b', 'debug 902 c', ']'],
      ...['[ 901', '901 a', 'warning TITLE 901 b', 'debug 901 c', ']'],
    ]);
  });

  it('lets what another container tells wait for the end of a group that appears as it grows', async () => {
    const lines = new Lines();
    const logs = new ContainerLogs(lines);
    const [first, second] = [logs.forContainer(), logs.forContainer()];
    const end = Promise.withResolvers<void>();
    const streaming = logs.working(() =>
      first.group('901', async () => {
        await end.promise;
        first.info('901 late');
      }),
    );
    // The second is done before the first: it doesn't wait, its lines do.
    await logs.working(async () => {
      second.info('902 before');
      await second.group('902', async () => second.info('902 inside'));
      second.info('902 after');
    });
    expect(lines.lines).toEqual(['[ 901']);
    end.resolve();
    await streaming;
    expect(lines.lines).toEqual([
      ...['[ 901', '901 late', ']', '902 before', '902 (begun; its log follows when it has ended)'],
      ...['[ 902', '902 inside', ']', '902 after'],
    ]);
  });

  it('tells what a failed work had told, and hands on its failure', async () => {
    const lines = new Lines();
    const logs = new ContainerLogs(lines);
    const log = logs.forContainer();
    const other = logs.working(async () => turn());
    const failing = logs.working(() =>
      log.group('901', async () => {
        log.info('last words');
        throw new Error('x');
      }),
    );
    await expect(failing).rejects.toThrow('x');
    await other;
    expect(lines.lines.slice(1)).toEqual(['[ 901', 'last words', ']']);
  });

  it('makes a group in a group a line of it', async () => {
    const lines = new Lines();
    const log = new ContainerLogs(lines).forContainer();
    await log.group('outer', () => log.group('inner', async () => log.info('x')));
    expect(lines.lines).toEqual(['[ outer', 'inner', 'x', ']']);
  });

  it('never mixes groups, loses no line and keeps each container in order, however they run', async () => {
    const step = fc.record({ inGroup: fc.boolean(), lines: fc.integer({ min: 0, max: 3 }), turns: fc.nat(3) });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 5 }), { minLength: 1, maxLength: 4 }), async (plans) => {
        const out = new Lines();
        const logs = new ContainerLogs(out);
        const told = await Promise.all(
          plans.map((steps, container) =>
            logs.working(async () => {
              const log = logs.forContainer();
              const mine: string[] = [];
              const tell = async (count: number, turns: number) => {
                for (let i = 0; i < count; i++) {
                  mine.push(`${container}-${mine.length}`);
                  log.info(mine.at(-1) ?? '');
                  for (let t = 0; t < turns; t++) await turn();
                }
              };
              for (const { inGroup, lines, turns } of steps) {
                if (inGroup) await log.group(`${container}`, () => tell(lines, turns));
                else await tell(lines, turns);
              }
              return mine;
            }),
          ),
        );
        let open: string | null = null;
        for (const line of out.lines) {
          if (line.startsWith('[ ')) {
            expect(open).toBeNull();
            open = line.slice(2);
          } else if (line === ']') open = null;
          else if (open !== null) expect(line.startsWith(`${open}-`)).toBe(true);
        }
        for (const [container, mine] of told.entries()) {
          expect(out.lines.filter((line) => line.startsWith(`${container}-`))).toEqual(mine);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('leaves lines of the largest groups out where too much waits, says how many, and nothing of what this action says', async () => {
    const lines = new Lines();
    const logs = new ContainerLogs(lines, 100_000);
    await Promise.all(
      [901, 902, 903].map((ctid) => {
        const log = logs.forContainer();
        return logs.working(() =>
          turn().then(() =>
            log.group(`${ctid}`, async () => {
              log.warning(`${ctid} first`, 'W');
              for (let line = 0; line < (ctid === 903 ? 50 : 5000); line++) {
                log.foreign(`${ctid}`, `${line} ${'x'.repeat(100)}`);
                log.debug(`${ctid} │ ${line}`);
                if (line % 100 === 0) await turn();
              }
              log.info(`${ctid} last`);
            }),
          ),
        );
      }),
    );
    const of = (ctid: number) => {
      const begin = lines.lines.indexOf(`[ ${ctid}`);
      return lines.lines.slice(begin + 1, lines.lines.indexOf(']', begin));
    };
    const leftOut = (own: string[]) => own.flatMap((line) => /^\((\d+) lines are left out here/.exec(line)?.[1] ?? []);
    for (const ctid of [901, 902]) {
      const own = of(ctid);
      expect(own[0]).toBe(`warning W ${ctid} first`);
      expect(own[1]).toBe(`${ctid} │ 0 ${'x'.repeat(100)}`);
      expect(own.at(-1)).toBe(`${ctid} last`);
      const numbers = leftOut(own).map(Number);
      expect(numbers.length).toBeGreaterThan(0);
      expect(own.length - numbers.length + numbers.reduce((a, b) => a + b)).toBe(10_002);
    }
    expect(leftOut(of(903))).toEqual([]);
    expect(of(903)).toHaveLength(102);
    expect(lines.lines.join('').length).toBeLessThan(300_000);
  });
});
