import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';

const STYLE = `
body { font: 16px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328; background: #fff; }
h1, h2 { border-bottom: 1px solid #d1d9e0; padding-bottom: .3em; }
table { border-collapse: collapse; display: block; overflow: auto; margin: 0 0 1rem; }
th, td { border: 1px solid #d1d9e0; padding: .35rem .8rem; text-align: left; }
tr:nth-child(2n) { background: #f6f8fa; }
summary { cursor: pointer; margin: .5rem 0; }
sub { font-size: 75%; }
code, pre { font: 85%/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; background: #f6f8fa; border-radius: 6px; }
code { padding: .2em .4em; }
pre { padding: 1rem; overflow: auto; }
pre code { padding: 0; }
@media (prefers-color-scheme: dark) {
  body { color: #f0f6fc; background: #0d1117; }
  h1, h2, th, td { border-color: #3d444d; }
  tr:nth-child(2n), code, pre { background: #151b23; }
}`;

/** A job summary's Markdown as a page that looks about as GitHub shows it. */
export function summaryPage(markdown: string): string {
  const body = micromark(markdown, { extensions: [gfm()], htmlExtensions: [gfmHtml()], allowDangerousHtml: true });
  return `<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Job summary</title>\n<style>${STYLE}</style>\n${body}\n</html>\n`;
}
