/**
 * Orders two Debian versions as dpkg does: epoch, upstream version, revision; digits by value, letters before other
 * characters, `~` before everything, even the end (Debian Policy, 5.6.12).
 */
export function compareDebianVersions(a: string, b: string): number {
  const [left, right] = [split(a), split(b)];
  return (
    left.epoch - right.epoch || comparePart(left.upstream, right.upstream) || comparePart(left.revision, right.revision)
  );
}

function split(version: string): { epoch: number; upstream: string; revision: string } {
  const colon = version.indexOf(':');
  const rest = version.slice(colon + 1);
  const hyphen = rest.lastIndexOf('-');
  return {
    epoch: colon < 0 ? 0 : Number(version.slice(0, colon)),
    upstream: hyphen < 0 ? rest : rest.slice(0, hyphen),
    revision: hyphen < 0 ? '' : rest.slice(hyphen + 1),
  };
}

/** Alternating runs of non-digits and digits. */
function comparePart(a: string, b: string): number {
  const pattern = /(\D*)(\d*)/y;
  const next = (text: string, at: number) => {
    pattern.lastIndex = at;
    const [, word = '', digits = ''] = pattern.exec(text) ?? [];
    return { word, digits, end: at + word.length + digits.length };
  };
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const left = next(a, i);
    const right = next(b, j);
    const order = compareWords(left.word, right.word) || compareDigits(left.digits, right.digits);
    if (order !== 0) return order;
    [i, j] = [left.end, right.end];
  }
  return 0;
}

function compareDigits(a: string, b: string): number {
  const difference = BigInt(a || 0) - BigInt(b || 0);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function compareWords(a: string, b: string): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const order = weight(a[i]) - weight(b[i]);
    if (order !== 0) return order;
  }
  return 0;
}

function weight(character: string | undefined): number {
  if (character === undefined) return 0;
  if (character === '~') return -1;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}
