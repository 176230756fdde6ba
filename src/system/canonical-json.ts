/**
 * JSON with the keys of every object in order, and no white space: equal values give equal text, whatever order they were
 * made in (as RFC 8785; for text, whole numbers, booleans, null, arrays and objects of them).
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
