import { escape as escapeHtml } from 'html-escaper';
import { printable } from '../system/text.ts';

/** Foreign or own text as HTML that shows exactly that text, on one line. */
export function text(value: string): string {
  return escapeHtml(printable(value)).replace(/\s*\n\s*/g, ' ');
}

/**
 * A table. Cells are HTML already. One HTML block without blank lines, so that Markdown inside is not read as such
 * (CommonMark, HTML blocks, kind 6).
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: 'th' | 'td') =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;
  return ['<table>', line(head, 'th'), ...rows.map((row) => line(row, 'td')), '</table>'].join('\n');
}

/** A fold with preformatted text. `<pre>` stands at the beginning of a line, so blank lines in it end nothing (kind 1). */
export function fold(title: string, content: string): string {
  return `<details><summary>${text(title)}</summary>\n\n${preformatted(content)}\n\n</details>`;
}

/** Preformatted text. */
export function preformatted(content: string): string {
  return `<pre>${escapeHtml(printable(content).replace(/\n+$/, ''))}</pre>`;
}
