/** What runs inside the browser's page: GitHub's sanitising, and Mermaid in place of its code blocks. */

/** Elements that GitHub leaves in what people write (html-pipeline's sanitization filter). */
const ELEMENTS = new Set(
  (
    'h1 h2 h3 h4 h5 h6 br b i strong em a pre code img tt div ins del sup sub p picture ol ul table thead tbody tfoot ' +
    'blockquote dl dt dd kbd q samp var hr ruby rt rp li tr td th s strike summary details caption figure figcaption span'
  ).split(' '),
);

/** Attributes that it leaves, of those that could matter here; a code block's language becomes its class. */
const ATTRIBUTES = new Set([
  'align',
  'alt',
  'class',
  'colspan',
  'height',
  'href',
  'open',
  'rowspan',
  'src',
  'title',
  'width',
]);

/** Parses without showing, so that nothing runs or loads, and shows what the allow-list leaves. Tells what it took away. */
globalThis.showSanitised = (html) => {
  const parsed = new DOMParser().parseFromString(html, 'text/html');
  const removed = [];
  for (const element of parsed.body.querySelectorAll('*')) {
    const name = element.tagName.toLowerCase();
    if (!ELEMENTS.has(name)) {
      removed.push(name);
      element.remove();
      continue;
    }
    for (const { name: attribute } of [...element.attributes]) {
      if (ATTRIBUTES.has(attribute)) continue;
      removed.push(`${name}[${attribute}]`);
      element.removeAttribute(attribute);
    }
  }
  document.head.replaceChildren(...parsed.head.childNodes);
  document.body.replaceChildren(...parsed.body.childNodes);
  return removed;
};

/** Draws every chart in place of its code block. @returns what Mermaid says of those it can't read */
globalThis.drawCharts = async (theme) => {
  mermaid.initialize({ startOnLoad: false, securityLevel: 'strict', theme });
  const errors = [];
  for (const [index, block] of [...document.querySelectorAll('code.language-mermaid')].entries()) {
    try {
      const { svg } = await mermaid.render(`chart-${index}`, block.textContent);
      const figure = document.createElement('div');
      figure.className = 'chart';
      figure.innerHTML = svg;
      block.parentElement.replaceWith(figure);
    } catch (error) {
      errors.push(String(error));
    }
  }
  return errors;
};
