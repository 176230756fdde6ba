import { randomInt } from 'node:crypto';

/** KILL_SEED, or a new one. */
export function seedFromEnvironment(): number {
  const text = process.env['KILL_SEED'];
  if (text === undefined || text === '') return randomInt(2 ** 31);
  const seed = Number(text);
  if (!Number.isSafeInteger(seed)) throw new Error(`KILL_SEED is "${text}": give a whole number.`);
  return seed;
}

/** Numbers from 0 up to 1, always the same for a seed (mulberry32, public domain). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}
