/** Longer ones nobody has: the longest in Debian's archive has some sixty characters. */
const LONGEST = 128;

const EPOCH = /^\d{1,9}$/;
const UPSTREAM = /^\d[A-Za-z0-9.+~:-]*$/;
const REVISION = /^[A-Za-z0-9.+~]+$/;

/** Whether a text is a version by Debian's grammar (Debian Policy, 5.6.12), of a length that somebody would give one. */
export function isDebianVersion(text: string): boolean {
  if (text.length > LONGEST) return false;
  const { epoch, upstream, revision } = split(text);
  return (
    (epoch === null || EPOCH.test(epoch)) &&
    UPSTREAM.test(upstream) &&
    (epoch !== null || !upstream.includes(':')) &&
    (revision === null || REVISION.test(revision))
  );
}

/**
 * Orders two Debian versions as dpkg does: epoch, upstream version, revision; digits by value, letters before other
 * characters, `~` before everything, even the end (Debian Policy, 5.6.12).
 */
export function compareDebianVersions(a: string, b: string): number {
  const [left, right] = [split(a), split(b)];
  return (
    compareDigits(left.epoch ?? '', right.epoch ?? '') ||
    comparePart(left.upstream, right.upstream) ||
    comparePart(left.revision ?? '', right.revision ?? '')
  );
}

/** The parts of a version; null: it has none. */
function split(version: string): { epoch: string | null; upstream: string; revision: string | null } {
  const colon = version.indexOf(':');
  const rest = version.slice(colon + 1);
  const hyphen = rest.lastIndexOf('-');
  return {
    epoch: colon < 0 ? null : version.slice(0, colon),
    upstream: hyphen < 0 ? rest : rest.slice(0, hyphen),
    revision: hyphen < 0 ? null : rest.slice(hyphen + 1),
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

/** By value, of whatever length: without leading zeros the longer one is the greater. */
function compareDigits(a: string, b: string): number {
  const [left, right] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')];
  return left.length - right.length || (left < right ? -1 : left > right ? 1 : 0);
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
