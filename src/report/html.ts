import { escape as escapeHtml } from 'html-escaper';
import { joinedLines, printable, withoutEnding } from '../system/text.ts';

/** Foreign or own text as HTML that shows exactly that text, on one line. */
export function text(value: string): string {
  return escapeHtml(joinedLines(printable(value)));
}

/** Foreign or own text as HTML, for whoever made what isn't seen in it visible. */
export function escaped(value: string): string {
  return escapeHtml(value);
}

/** A name or value as it is typed. */
export function code(value: string): string {
  return `<code>${text(value)}</code>`;
}

/**
 * A table. Cells are HTML already. One HTML block without blank lines, so that Markdown inside is not read as such
 * (CommonMark, HTML blocks, kind 6). Without rows there is none.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly string[], tag: 'th' | 'td') =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;
  return ['<table>', line(head, 'th'), ...rows.map((row) => line(row, 'td')), '</table>'].join('\n');
}

/** A paragraph of HTML. */
export function paragraph(html: string): string {
  return `<p>${html}</p>`;
}

/** A fold. The title is HTML; in its content, parts that are a block each. */
export function fold(title: string, parts: readonly string[]): string {
  return blocks([`<details><summary>${title}</summary>`, ...parts, '</details>']);
}

/** Preformatted text. `<pre>` stands at the beginning of a line, so blank lines in it end nothing (kind 1). */
export function preformatted(content: string): string {
  return `<pre>${escapeHtml(withoutEnding(printable(content), '\n'))}</pre>`;
}

/** Blocks with the blank lines between them that Markdown needs; empty ones are left out. */
export function blocks(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n\n');
}
