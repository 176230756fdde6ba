import { CONTAINER_LIMITS } from './limits.ts';

/** How programs say that a disk is full: ENOSPC, and EDQUOT where a file system has a quota (ZFS). */
export const NO_SPACE = /No space left on device|Disk quota exceeded/;

/** Longest line of foreign text that is shown, in UTF-16 units. */
const { lineLength: LINE_LIMIT } = CONTAINER_LIMITS;

/** Control sequences of terminals (ECMA-48): colours and cursor, titles and links. Each ends at the next ESC at the latest. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what these are.
const TERMINAL = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)/g;

/**
 * Foreign text made fit to be shown: terminal sequences and control characters are gone (tabs stay), a carriage return
 * is a new line, and what is over 2000 characters in a line ends in a note. Takes time in proportion to the text.
 */
export function printable(text: string): string {
  return text
    .replace(TERMINAL, '')
    .replace(/\r\n?/g, '\n')
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => (character === '\n' || character === '\t' ? character : ''))
    .split('\n')
    .map((line) =>
      line.length <= LINE_LIMIT ? line : `${line.slice(0, LINE_LIMIT)}… (${line.length - LINE_LIMIT} more characters)`,
    )
    .join('\n');
}

/** What a terminal shows of a line in the end: what comes after its last carriage return that something follows. */
export function lastState(line: string): string {
  const text = line.replace(/\r$/, '');
  return text.slice(text.lastIndexOf('\r') + 1);
}

/**
 * Foreign text made fit for the runner's log, where a line that begins with `::` (after blanks) or holds `##[` is a
 * workflow command (actions/runner, ActionCommand.cs). Each line gets the given prefix, which must not be blank.
 */
export function logText(text: string, prefix: string): string {
  return printable(text)
    .split('\n')
    .map((line) => `${prefix}${line.replaceAll('##[', '## [')}`)
    .join('\n');
}

/** The last `count` non-empty lines of a text. */
export function lastLines(text: string, count: number): string {
  return printable(text)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count)
    .join('\n');
}

/**
 * An address fit to be shown, also one that isn't valid: user name and password are replaced, as is the query, where
 * signed links keep their secret.
 */
export function shownUrl(address: string): string {
  return withoutCredentials(printable(address)).replace(/\?.*/s, '?***');
}

/** A text in which no address carries a user name or password any more. */
export function withoutCredentials(text: string): string {
  return text.replace(/(\/\/)[^\s/?#]*@/g, '$1***@');
}

/** A text with its `%XX` put in place; as it is where a `%` stands for itself. */
export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Foreign or own text as one line of a log that is no workflow command, whatever it holds, unless it begins so itself. */
export function oneLine(text: string): string {
  return joinedLines(printable(text)).replaceAll('##[', '## [');
}

/** All lines in one, a blank between them instead of what blanks and line feeds there are. */
export function joinedLines(text: string): string {
  const [first = '', ...rest] = text.split('\n');
  if (rest.length === 0) return first;
  return [first.trimEnd(), ...rest.map((line) => line.trim()).filter((line) => line !== '')].join(' ');
}

/** A text without the given character at its end, however often it stands there. */
export function withoutEnding(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end--;
  return text.slice(0, end);
}

/** Names for a sentence, the first of them where there are many: `a, b and 254 more`. */
export function namesText(names: readonly string[], most = 16): string {
  const left = names.length - most;
  return `${names.slice(0, most).join(', ')}${left > 0 ? ` and ${left} more` : ''}`;
}

/** Bytes for people: `398016015` → `379.6 MiB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Seconds for people: `3.2 s`, `2 min 5 s`. */
export function durationText(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
