import { stripVTControlCharacters } from 'node:util';

/** Longest line of foreign text that is kept, in UTF-16 units. */
const LINE_LIMIT = 2000;

/**
 * Foreign text made fit to be shown: terminal sequences and control characters are gone (tabs and line feeds stay), of
 * a line that was overwritten by carriage returns the last state stays, and what is over 2000 characters in a line ends
 * in a note.
 */
export function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\r+\n/g, '\n')
    .replace(/^[^\n]*\r(?=[^\n])/gm, '')
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => (character === '\n' || character === '\t' ? character : ''))
    .split('\n')
    .map((line) =>
      line.length <= LINE_LIMIT ? line : `${line.slice(0, LINE_LIMIT)}… (${line.length - LINE_LIMIT} more characters)`,
    )
    .join('\n');
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

/** An address fit to be shown: user name and password are replaced, as is the query, where signed links keep theirs. */
export function shownUrl(address: string): string {
  if (!URL.canParse(address)) return printable(address);
  const url = new URL(address);
  if (url.username !== '' || url.password !== '') {
    url.username = '***';
    url.password = '';
  }
  if (url.search !== '') url.search = '?***';
  return url.href;
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
