/** Tables in Markdown documents that are made from data: each stands between the markers `<!-- name -->`, `<!-- /name -->`. */

const cell = (text: string) =>
  text
    .replaceAll('|', '\\|')
    .replace(/\s*\n\s*/g, ' ')
    .trim();

export const table = (head: string[], rows: string[][]) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');

/** A document with its tables replaced. @throws Error when it lacks the markers of one */
export function withTables(document: string, tables: Record<string, string>): string {
  let wanted = document;
  for (const [name, text] of Object.entries(tables)) {
    const between = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`);
    if (!between.test(wanted)) throw new Error(`There are no markers <!-- ${name} --> and <!-- /${name} -->.`);
    wanted = wanted.replace(between, (_, before: string, after: string) => `${before}${text}\n${after}`);
  }
  return wanted;
}
