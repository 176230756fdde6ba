import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../lab/command.ts';
import { REPOSITORY_DIR } from '../lab/paths.ts';
import { SummaryViewer } from './browser.ts';

let viewer: SummaryViewer;
beforeAll(async () => {
  viewer = await SummaryViewer.open();
});
afterAll(() => viewer.close());

it('diagrams in documents are drawn', async () => {
  const { stdout } = await run(['git', 'ls-files', '-co', '--exclude-standard', '*.md'], { cwd: REPOSITORY_DIR });
  let drawn = 0;
  for (const path of stdout.trim().split('\n')) {
    const text = await readFile(join(REPOSITORY_DIR, path), 'utf8');
    const charts = text.match(/^```mermaid\n[\s\S]*?^```$/gm) ?? [];
    if (charts.length === 0) continue;
    expect((await viewer.show(charts.join('\n\n'))).errors, path).toEqual([]);
    expect(await viewer.page.locator('.chart svg').count(), path).toBe(charts.length);
    drawn += charts.length;
  }
  expect(drawn).toBeGreaterThan(0);
});
