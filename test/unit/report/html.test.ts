import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold, preformatted, table, text } from '../../../src/report/html.ts';
import { anyText } from '../helpers/any-text.ts';

describe('text', () => {
  it.each([
    ['a < b & c > d', 'a &lt; b &amp; c &gt; d'],
    ['<script>alert(1)</script>', '&lt;script&gt;alert(1)&lt;/script&gt;'],
    ['"quoted" \'too\'', '&quot;quoted&quot; &#39;too&#39;'],
    ['two\n\n  lines\r\nthree', 'two lines three'],
    ['\u001b[31mred\u001b[0m', 'red'],
    ['&lt;', '&amp;lt;'],
  ])('shows %j as it is', (value, html) => {
    expect(text(value)).toBe(html);
  });

  it('is one line without tags, whatever it is given', () => {
    fc.assert(fc.property(anyText, (value) => !/[\n\r<>"']/.test(text(value))));
  });
});

describe('table', () => {
  it('is one block of HTML without a blank line', () => {
    const html = table(
      ['a', 'b'],
      [
        ['1', text('x\n\n| y')],
        ['', ''],
      ],
    );
    expect(html).toBe(
      '<table>\n<tr><th>a</th><th>b</th></tr>\n<tr><td>1</td><td>x | y</td></tr>\n<tr><td></td><td></td></tr>\n</table>',
    );
    expect(html).not.toMatch(/\n\s*\n/);
  });
});

describe('fold', () => {
  it('keeps blank lines, and lets nothing out of it', () => {
    const content = 'one\n\n</pre></details>\n\n# heading\n::error::x\n\n';
    expect(fold(text('a <b>'), [preformatted(content), ''])).toBe(
      '<details><summary>a &lt;b&gt;</summary>\n\n<pre>one\n\n&lt;/pre&gt;&lt;/details&gt;\n\n# heading\n::error::x</pre>\n\n</details>',
    );
  });

  it('has its own tags only, whatever it is given', () => {
    fc.assert(
      fc.property(anyText, (content) => {
        expect(preformatted(content).match(/<\/?[a-z]+/g)).toEqual(['<pre', '</pre']);
      }),
    );
  });
});
