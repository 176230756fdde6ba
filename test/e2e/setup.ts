import { Lab } from '../lab/lab.ts';

/** Brings the lab up once for all e2e test files; they get at it by `Lab.connect()`. */
export default async function setup(): Promise<() => Promise<void>> {
  const lab = await Lab.up({ log: (line) => console.log(`lab: ${line}`) });
  return () => lab.down();
}
