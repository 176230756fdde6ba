import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderSummary } from '../../src/report/summary.ts';
import { containerResult, runResult } from '../unit/helpers/results.ts';
import { SAMPLES } from '../unit/helpers/sample-results.ts';
import { SummaryViewer } from './browser.ts';

let viewer: SummaryViewer;
beforeAll(async () => {
  viewer = await SummaryViewer.open();
});
afterAll(() => viewer.close());

describe.each(['light', 'dark'] as const)('in %s', (scheme) => {
  it.each(Object.keys(SAMPLES) as (keyof typeof SAMPLES)[])('the summary of the sample "%s" is shown', async (name) => {
    const result = SAMPLES[name];
    expect(await viewer.show(renderSummary(result), scheme)).toEqual({ removed: [], errors: [] });
    const { page } = viewer;

    expect(await page.locator('h2').allInnerTexts()).toHaveLength(1);
    expect(await page.locator('table').first().locator('tr').count()).toBe(result.containers.length + 2);
    // What is read in ten seconds stands on the first screen.
    const box = await page.locator('table').first().boundingBox();
    expect(box?.y).toBeLessThan(400);
    expect(box?.width).toBeLessThanOrEqual(1024);

    // A chart's texts are its sections, tasks and axis.
    const worked = result.containers.filter(({ actions }) => actions.length > 0).length;
    const sections = await page.locator('.chart svg text.sectionTitle').allTextContents();
    expect(sections).toHaveLength(worked);

    for (const fold of await page.locator('details').all()) {
      expect(await fold.locator('table').first().isVisible()).toBe(false);
      await fold.locator('summary').first().click();
      expect(await fold.locator('table').first().isVisible()).toBe(true);
    }
  });
});

it('shows exactly the text of a hostile container, runs and loads nothing', async () => {
  const HOSTILE = [
    '<script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>',
    '</pre></details></table>',
    '',
    '[link](javascript:alert(3)) ![image](https://evil.example/y)',
    '```mermaid',
    'click a href "javascript:alert(4)"',
  ].join('\n');
  const [sample] = SAMPLES.changed.containers;
  const container = containerResult({
    hostname: `${HOSTILE}: end`,
    status: 'failed',
    actions: (sample?.actions ?? []).map((record) => ({ ...record, action: { ...record.action, reason: HOSTILE } })),
    failure: { code: 'APT_FAILED', seen: HOSTILE, remedy: HOSTILE, details: HOSTILE },
    verifications: [{ level: 'L2', title: HOSTILE, status: 'fail', seen: HOSTILE }],
    findings: [{ code: 'GPU_ISOLATION', message: HOSTILE }],
    nvidiaSmi: HOSTILE,
    nvcc: HOSTILE,
  });
  const summary = renderSummary(runResult({ status: 'failed', containers: [container] }));
  expect(await viewer.show(summary)).toEqual({ removed: [], errors: [] });
  const { page } = viewer;
  expect(await page.locator('body script, body img, body a').count()).toBe(0);
  expect(await page.locator('pre').allTextContents()).toEqual([HOSTILE.replace('\n\n', '\n'), HOSTILE, HOSTILE]);
  expect(await page.locator('.chart').count()).toBe(1);
  expect(await page.locator('.chart svg text.sectionTitle').allTextContents()).toEqual(['901 script alert 1 script i']);
});

it('shows a summary of 256 containers', async () => {
  const [sample] = SAMPLES.changed.containers;
  if (sample === undefined) throw new Error('no sample');
  const containers = Array.from({ length: 256 }, (_, index) => ({ ...sample, ctid: 1000 + index }));
  expect(await viewer.show(renderSummary(runResult({ status: 'changed', containers })))).toEqual({
    removed: [],
    errors: [],
  });
  expect(await viewer.page.locator('table').first().locator('tr').count()).toBe(258);
});

it('notices what GitHub would take away, what Mermaid cannot read and what is loaded', async () => {
  const { removed, errors } = await viewer.show(
    '<p style="color:red">x</p>\n\n<button>1</button>\n\n```mermaid\ngantt\n  not a chart (\n```\n\n<img src="https://evil.example/x">\n',
  );
  expect(removed).toEqual(['p[style]', 'button']);
  expect(errors).toContain('a request: https://evil.example/x');
  expect(errors.join('\n')).toMatch(/Parse error|Lexical error|Expecting/i);
});
