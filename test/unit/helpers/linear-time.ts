import { expect } from 'vitest';

/** Below it nothing is concluded: milliseconds of processor. */
const FLOOR = 30;

/** Four for what is linear, sixteen for what is quadratic. */
const MOST = 10;

const TRIES = 15;

/**
 * Four times the bytes take some four times as long: what reading a text takes must not grow with its square, or one of some MB
 * stops a run for hours. Compared are times of processor on the same machine within the same moment, the least of several, so
 * neither how fast the machine is matters nor what else it does.
 */
export function expectLinear(read: (text: string) => unknown, text: string): void {
  const least = { part: Number.POSITIVE_INFINITY, whole: Number.POSITIVE_INFINITY };
  const part = text.slice(0, text.length / 4);
  for (let tried = 0; tried < TRIES; tried++) {
    least.part = Math.min(least.part, milliseconds(read, part));
    least.whole = Math.min(least.whole, milliseconds(read, text));
    if (least.whole < FLOOR || least.whole < MOST * least.part) return;
  }
  expect(least.whole / least.part, `four times as much of ${JSON.stringify(text.slice(0, 80))}`).toBeLessThan(MOST);
}

function milliseconds(read: (text: string) => unknown, text: string): number {
  const before = process.cpuUsage();
  read(text);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
