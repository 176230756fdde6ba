/** `node test/browser/screenshots.ts [png]`: the summaries of the sample results as pictures in docs/images/. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderSummary } from '../../src/report/summary.ts';
import { REPOSITORY_DIR } from '../lab/paths.ts';
import { SAMPLES } from '../unit/helpers/sample-results.ts';
import { SummaryViewer } from './browser.ts';

const format = process.argv[2] === 'png' ? 'png' : 'webp';
const viewer = await SummaryViewer.open();
const session = await viewer.page.context().newCDPSession(viewer.page);
for (const [name, result] of Object.entries(SAMPLES)) {
  for (const scheme of ['light', 'dark'] as const) {
    const { errors } = await viewer.show(renderSummary(result), scheme);
    if (errors.length > 0) throw new Error(`${name}: ${errors.join('\n')}`);
    await viewer.page.setViewportSize({ width: 1100, height: 100 });
    const height: number = await viewer.page.evaluate('document.documentElement.scrollHeight');
    await viewer.page.setViewportSize({ width: 1100, height });
    const { data } = await session.send('Page.captureScreenshot', { format, quality: 85 });
    const path = join(REPOSITORY_DIR, 'docs/images', `summary-${name}-${scheme}.${format}`);
    await writeFile(path, Buffer.from(data, 'base64'));
    console.log(path);
  }
}
await viewer.close();
