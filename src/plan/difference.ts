import type { Identity } from './identity.ts';

/** One place in which two plans differ. */
export interface Difference {
  /** `container 901, actions, install-driver, runfile` */
  place: string;
  /** null: it isn't there. */
  approved: string | null;
  now: string | null;
}

/** Every place in which what was approved differs from what would be done now, in the order of the places. Pure. */
export function differences(approved: Identity, now: Identity, path: readonly string[] = []): Difference[] {
  const keys = [...new Set([...Object.keys(approved), ...Object.keys(now)])].sort();
  return keys.flatMap((key) => {
    const [was, is] = [approved[key], now[key]];
    if (isTree(was) && isTree(is)) return differences(was, is, [...path, key]);
    if (was === is) return [];
    return [{ place: [...path, key].join(', '), approved: asText(was), now: asText(is) }];
  });
}

/** A line for people: `host, driver: approved 580.95.05, now 580.142`. */
export function differenceText({ place, approved, now }: Difference): string {
  return `${place}: approved ${approved ?? 'nothing'}, now ${now ?? 'nothing'}`;
}

function isTree(part: string | Identity | undefined): part is Identity {
  return typeof part === 'object';
}

/** A whole part that one side doesn't have is told by the names in it. */
function asText(part: string | Identity | undefined): string | null {
  if (part === undefined) return null;
  return isTree(part) ? Object.keys(part).join(', ') || 'nothing' : part;
}
