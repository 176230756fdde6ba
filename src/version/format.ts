import { ACTION_VERSION } from './action.ts';

/** Format of every file this action writes; the first number changes when a reader must change. */
export const FORMAT_VERSION = '1.0';

/** What every file begins with that is written now. */
export const newHead = <const K extends string>(kind: K) => ({ kind, schema: FORMAT_VERSION, action: ACTION_VERSION });
