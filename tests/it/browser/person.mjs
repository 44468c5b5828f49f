// Somebody in front of the dashboard, in a real browser, who looks at pages in light,
// dark and on a phone: axe-core finds nothing, nothing is wider than the window, and
// nothing breaks the page's own policy.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';

const require = createRequire(import.meta.url);
const puppeteer = require('puppeteer-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const LOOKS = {
  light: { width: 1280, height: 800, scheme: 'light' },
  dark: { width: 1280, height: 800, scheme: 'dark' },
  phone: { width: 390, height: 844, scheme: 'light' },
};
/** What the README shows, as much of it as there is without scrolling. */
const TOUR = ['overview', 'preview-change', 'run-busy', 'drift-live'];
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

function findChromium() {
  const folders = process.env.PATH.split(':');
  const found = folders.map((folder) => `${folder}/chromium`).find((file) => existsSync(file));
  assert.ok(found, 'chromium is not on the PATH');
  return found;
}

/** Sits down. With a folder, screenshots go there. */
export async function sitDown(base, folder) {
  if (folder) mkdirSync(`${folder}/tour`, { recursive: true });
  const browser = await puppeteer.launch({
    executablePath: findChromium(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--force-color-profile=srgb'],
  });
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  const wrong = [];
  page.on('console', (message) => {
    const text = message.text();
    // A refused login and a page that is not there are asked for on purpose.
    // And for a moment there is no service; the library tells of that as an event.
    const meant = /^\[object Event\]$|status of 40[014]|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET/;
    if (message.type() === 'error' && !meant.test(text)) wrong.push(`${page.url()}: ${text}`);
  });
  page.on('pageerror', (error) => wrong.push(`${page.url()}: ${error.message}`));

  async function as(look) {
    const { width, height, scheme } = LOOKS[look];
    const phone = look === 'phone';
    await page.setViewport({ width, height, isMobile: phone, hasTouch: phone });
    await page.emulateMediaFeatures([
      { name: 'prefers-color-scheme', value: scheme },
      { name: 'prefers-reduced-motion', value: 'reduce' },
    ]);
  }

  /** Looks at the page as it is, in every way it is shown. */
  async function look(name) {
    for (const way of Object.keys(LOOKS)) {
      await as(way);
      const found = await page.evaluate(`${axe}; axe.run(document, { runOnly: ${JSON.stringify(RULES)} })
        .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map((n) => n.target.join(' ')).join(', ')))`);
      assert.deepEqual(found, [], `axe-core on ${name}, ${way}`);
      const root = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(root[0] <= root[1], `${name}, ${way}: ${root[0]} px in ${root[1]}`);
      // Commands may; tables have room on a desk.
      const cut = await page.$$eval('.scroll', (all) => all.filter((is) => is.scrollWidth > is.clientWidth).map((is) => is.ariaLabel));
      if (way !== 'phone') assert.deepEqual(cut, [], `cut off on ${name}, ${way}`);
      if (folder) await page.screenshot({ path: `${folder}/${name}.${way}.png`, fullPage: true });
      if (folder && way === 'light' && TOUR.includes(name)) await page.screenshot({ path: `${folder}/tour/${name}.png` });
    }
    await as('light');
  }

  await as('light');
  return {
    page,
    look,
    go: (path) => page.goto(`${base}/admin/stripe-sync${path}`, { waitUntil: 'load' }),
    text: () => page.evaluate(() => document.querySelector('main').innerText),
    click: (selector) => Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.click(selector)]),
    /** Until the page's bar of live updates says this. */
    says: (words) => page.waitForFunction(
      (words) => document.querySelector('[data-live-text]')?.textContent === words, {}, words),
    /** Until there is something like this in that part of the page. */
    async sees(selector, pattern) {
      const text = () => page.evaluate((selector) => document.querySelector(selector)?.innerText, selector);
      const seen = page.waitForFunction(
        (selector, source) => new RegExp(source).test(document.querySelector(selector)?.innerText),
        {}, selector, pattern.source);
      await seen.catch(async (error) => assert.fail(`${error.message}: ${pattern} in ${selector} of ${page.url()}: ${await text()}`));
    },
    async logIn(key) {
      await page.goto(`${base}/`);
      await page.type('#key', key);
      await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.click('form[action$="/login"] button')]);
    },
    async leave() {
      assert.deepEqual(wrong, []);
      await browser.close();
    },
  };
}
