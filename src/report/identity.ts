import type { ContainerPlan } from '../plan/actions.ts';
import { containerIdentity, type Identity } from '../plan/identity.ts';
import { sha256Of } from '../system/sha256.ts';
import { bytesText, shownUrl, withoutCredentials, withoutEnding } from '../system/text.ts';

/*
 * What a plan's digest covers, readable for the people who approve it. It is made from the very tree that is hashed, so
 * nothing that the digest covers can be missing. Used by the job summary of a plan and by the rollout's gate, which runs
 * without packages: nothing here may import one. `html` makes any text HTML that shows just it.
 */
type Escape = (text: string) => string;

/** Longest value in UTF-16 units that is shown whole; of a longer one the rest is counted and hashed. */
const VALUE_LIMIT = 16 * 1024;
/** Longest file in UTF-16 units that is shown whole. The longest that is written today has 3 KiB. */
const FILE_LIMIT = 64 * 1024;

/** The identity of one container's part as HTML blocks: a table of all of it, then the files it writes. */
export function containerIdentityBlocks(part: ContainerPlan, html: Escape, withFiles = true): string[] {
  return [
    identityTable(containerIdentity(part), html),
    ...runfileNotes(part, html),
    ...(withFiles ? files(part, html) : []),
  ];
}

/** A whole tree as one table: its branches are headings, its leaves rows. One HTML block, without blank lines. */
export function identityTable(identity: Identity, html: Escape): string {
  return ['<table>', ...rows(identity, [], html), '</table>'].join('\n');
}

function rows(tree: Identity, path: readonly string[], html: Escape): string[] {
  const entries = Object.entries(tree);
  const row = (name: string, value: string) =>
    `<tr><td>${html(inOneLine(name))}</td><td><code>${html(inOneLine(value))}</code></td></tr>`;
  const leaves = entries.flatMap(([name, value]) => (isTree(value) ? [] : [row(name, String(value))]));
  const title = path.map((name) => html(inOneLine(name))).join(' › ');
  const heading = `<tr><th>${title}</th><th></th></tr>`;
  const nothing = entries.length === 0 ? ['<tr><td>nothing</td><td></td></tr>'] : [];
  return [
    ...(path.length > 0 && (leaves.length > 0 || entries.length === 0) ? [heading] : []),
    ...leaves,
    ...nothing,
    ...entries.flatMap(([name, value]) => (isTree(value) ? rows(value, [...path, name], html) : [])),
  ];
}

function runfileNotes({ actions }: ContainerPlan, html: Escape): string[] {
  return actions.flatMap((action) =>
    action.kind === 'install-driver'
      ? [
          `<p>The runfile comes from <code>${html(exactly(shownUrl(action.runfile.url)))}</code>; the digest covers its checksum, not its address.</p>`,
        ]
      : [],
  );
}

function files({ actions }: ContainerPlan, html: Escape): string[] {
  const changes = actions.flatMap((action) =>
    action.kind === 'configure-apt' ? [...action.before, ...action.after] : [],
  );
  return changes.flatMap((change) => {
    if (change.kind !== 'write') return [];
    const bytes = Buffer.from(change.content, 'base64');
    const about = `${bytesText(bytes.length)}, sha256 ${sha256Of(bytes)}`;
    const heading = `<p><code>${html(exactly(change.path))}</code>: ${about}</p>`;
    const whole = plainText(bytes);
    if (whole === null) return [heading];
    // The bytes may hold a container's own password for its mirror; their checksum is above.
    const text = withoutCredentials(whole);
    const left = text.length - FILE_LIMIT;
    const shown = left > 0 ? `${text.slice(0, FILE_LIMIT)}\n… ${left} more characters are in plan.json` : text;
    return [heading, `<pre>${withoutEnding(shown, '\n').split('\n').map(exactly).map(html).join('\n')}</pre>`];
  });
}

/** The text of a file that is one; null for bytes. */
function plainText(bytes: Buffer): string | null {
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes) && !/(?![\n\t])\p{Cc}/u.test(text) ? text : null;
}

/** What has a form of its own on a page: letters, numbers, punctuation, symbols, and the blank. */
const SEEN = /^[\p{L}\p{N}\p{P}\p{S} ]$/u;
/** Of those the ones that have none: fillers and selectors (Unicode, Default_Ignorable_Code_Point), and Braille's blank. */
const UNSEEN = /[\p{Default_Ignorable_Code_Point}\u2800]/u;

/** A text with all that wouldn't be seen made visible, so that two that differ look different: `\u{200b}`. Tabs stay. */
function exactly(text: string): string {
  const shown = text.length <= VALUE_LIMIT ? text : text.slice(0, VALUE_LIMIT);
  const visible = Array.from(shown, (character) =>
    character === '\t' || (SEEN.test(character) && !UNSEEN.test(character)) ? character : escaped(character),
  ).join('');
  return shown === text
    ? visible
    : `${visible}… (${text.length - VALUE_LIMIT} more characters, sha256 of all ${sha256Of(text)})`;
}

/** The same for a place where a page shows one blank for many, and none at either end. */
function inOneLine(text: string): string {
  return exactly(text).replace(/^[ \t]|[ \t]$|(?<=[ \t])[ \t]|\t/g, escaped);
}

const escaped = (character: string) => `\\u{${character.codePointAt(0)?.toString(16)}}`;

function isTree(value: string | Identity): value is Identity {
  return typeof value === 'object' && value !== null;
}
