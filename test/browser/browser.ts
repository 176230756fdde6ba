import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { installPackages } from '../lab/packages.ts';
import { summaryPage } from '../lab/page.ts';

const EXECUTABLES = ['chromium', 'google-chrome', 'chromium-browser'].map((name) => `/usr/bin/${name}`);
const MERMAID = createRequire(import.meta.url).resolve('mermaid/dist/mermaid.min.js');

export interface Shown {
  /** What GitHub's sanitising takes away: elements, and attributes as `element[attribute]`. */
  removed: string[];
  /** What Mermaid could not read, scripts that ran, and everything that was asked of the network. */
  errors: string[];
}

/** A page in a browser of this machine, in which job summaries are shown as GitHub does. Without network. */
export class SummaryViewer {
  readonly page: Page;
  readonly #browser: Browser;
  #errors: string[] = [];

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.page = page;
  }

  /** Installs a browser where there is none. */
  static async open(): Promise<SummaryViewer> {
    if (!EXECUTABLES.some(existsSync)) await installPackages(['chromium', 'fonts-noto-color-emoji']);
    const executablePath = EXECUTABLES.find(existsSync);
    if (executablePath === undefined) throw new Error(`no browser: ${EXECUTABLES.join(', ')}`);
    // Chromium's own sandbox refuses to work for root, which tests run as.
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    const page = await browser.newPage({ viewport: { width: 1100, height: 600 } });
    const viewer = new SummaryViewer(browser, page);
    const errors = (text: string) => viewer.#errors.push(text);
    page.on('pageerror', (error) => errors(error.message));
    page.on('dialog', (dialog) => {
      errors(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.route('**', (route) => {
      errors(`a request: ${route.request().url()}`);
      return route.abort();
    });
    await page.addScriptTag({ path: MERMAID });
    await page.addScriptTag({ path: join(import.meta.dirname, 'in-page.js') });
    return viewer;
  }

  /** Shows Markdown: as HTML, through GitHub's allow-list, charts drawn by Mermaid. */
  async show(markdown: string, colorScheme: 'light' | 'dark' = 'light'): Promise<Shown> {
    this.#errors = [];
    await this.page.emulateMedia({ colorScheme });
    const removed: string[] = await this.page.evaluate(`showSanitised(${JSON.stringify(summaryPage(markdown))})`);
    const theme = colorScheme === 'dark' ? 'dark' : 'default';
    const unread: string[] = await this.page.evaluate(`drawCharts(${JSON.stringify(theme)})`);
    return { removed, errors: [...this.#errors, ...unread] };
  }

  close(): Promise<void> {
    return this.#browser.close();
  }
}
