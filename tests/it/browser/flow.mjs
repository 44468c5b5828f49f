// A person at the dashboard, in a real browser: logs in, previews, applies exactly
// that, watches it live, finds it in the history, logs out. On the way every page is
// looked at in light, dark and on a phone: axe-core finds nothing, nothing is wider than
// the window, and nothing breaks the page's own policy.
//
// node flow.mjs BASE KEY [FOLDER for screenshots]
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const require = createRequire(import.meta.url);
const puppeteer = require('puppeteer-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [base, key, folder] = process.argv.slice(2);
if (folder) mkdirSync(folder, { recursive: true });

function findChromium() {
  const folders = process.env.PATH.split(':');
  const found = folders.map((folder) => `${folder}/chromium`).find((file) => existsSync(file));
  assert.ok(found, 'chromium is not on the PATH');
  return found;
}

const browser = await puppeteer.launch({
  executablePath: findChromium(),
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--force-color-profile=srgb'],
});
const page = await browser.newPage();
page.setDefaultTimeout(30_000);
const wrong = [];
page.on('console', (message) => {
  const text = message.text();
  // A refused login and a page that is not there are asked for on purpose.
  // And for a moment there is no service; the library tells of that as an event.
  const meant = /^\[object Event\]$|status of 40[014]|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET/;
  if (message.type() === 'error' && !meant.test(text)) wrong.push(`${page.url()}: ${text}`);
});
page.on('pageerror', (error) => wrong.push(`${page.url()}: ${error.message}`));

const LOOKS = {
  light: { width: 1280, height: 800, scheme: 'light' },
  dark: { width: 1280, height: 800, scheme: 'dark' },
  phone: { width: 390, height: 844, scheme: 'light' },
};
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

async function as(look) {
  const { width, height, scheme } = LOOKS[look];
  await page.setViewport({ width, height, isMobile: look === 'phone', hasTouch: look === 'phone' });
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
    if (folder) await page.screenshot({ path: `${folder}/${name}.${way}.png`, fullPage: true });
  }
  await as('light');
}

const go = (path) => page.goto(`${base}/admin/stripe-sync${path}`, { waitUntil: 'load' });
const text = () => page.evaluate(() => document.querySelector('main').innerText);
const click = (selector) => Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.click(selector)]);

await as('light');

// --- In ---------------------------------------------------------------------------------
await page.goto(`${base}/`);
await look('login');
await page.type('#key', 'sps_aaaaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb');
await click('form[action$="/login"] button');
assert.match(await text(), /No key like this is known/);
await look('login-refused');
await page.type('#key', key);
await click('form[action$="/login"] button');
assert.equal(new URL(page.url()).pathname, '/admin/stripe-sync');
await page.waitForFunction(() => document.querySelector('[data-live-text]')?.textContent === 'Live');
await look('overview-first');

// --- Preview, which changes nothing -------------------------------------------------------
await click('form[action$="/preview"] button');
await page.waitForSelector('.plan');
const planned = await page.$$eval('.plan > li', (items) => items.length);
assert.ok(planned > 0);
await look('preview');
const mapped = (id) => page.evaluate(async (id) => (await fetch(`/admin/stripe-sync/products/${id}`)).text(), id);
assert.match(await mapped('plan_starter_monthly'), /Not synced/);

// --- Apply exactly this, watched live ----------------------------------------------------
await click('form[action$="/apply"] button');
const run = new URL(page.url()).pathname.split('/').pop();
await page.waitForFunction(() => /Succeeded/.test(document.querySelector('#live-facts').innerText));
await page.waitForFunction((n) => document.querySelectorAll('#live-results tbody tr').length === n, {}, planned);
await look('run');

// --- In the history, and nothing is left to do ----------------------------------------------
await go('/runs');
assert.ok(await page.$(`a[href$="/runs/${run}"]`), 'the run is not in the history');
await look('runs');
await page.select('select[name=kind]', 'dry');
await page.waitForFunction(() => location.search.includes('kind=dry'));
await page.waitForFunction((run) => !document.querySelector(`a[href$="/runs/${run}"]`), {}, run);
await go('/preview');
await click('form[action$="/preview"] button');
await page.waitForFunction(() => /Nothing would change/.test(document.body.innerText));
await look('preview-nothing');

for (const [name, path] of [
  ['overview', ''], ['products', '/products'], ['product', '/products/plan_starter_monthly'],
  ['drift', '/drift'], ['events', '/events'], ['schedules', '/schedules'],
  ['configuration', '/configuration'], ['not-found', '/nothing'],
]) {
  await go(path);
  await look(name);
}

// --- The service goes away under an open page, and comes back ---------------------------------
await go('');
const says = (words) => page.waitForFunction(
  (words) => document.querySelector('[data-live-text]').textContent === words, {}, words);
await says('Live');
const input = createInterface({ input: process.stdin });
const answer = once(input, 'line');
console.log('restart the service');
await says('Connection lost, reconnecting');
await answer;
input.close();
await says('Live');

// --- With the keyboard alone ------------------------------------------------------------------
await go('');
await page.keyboard.press('Tab');
assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
await page.keyboard.press('Enter');
assert.equal(await page.evaluate(() => document.activeElement.id), 'main');

// --- Without scripts -----------------------------------------------------------------------------
await page.setJavaScriptEnabled(false);
await go('/preview');
await click('form[action$="/preview"] button');
assert.match(page.url(), /\/preview\?run=/);
await page.setJavaScriptEnabled(true);

// --- Out ----------------------------------------------------------------------------------------
await go('');
await click('form[action$="/logout"] button');
await go('/runs');
assert.match(await text(), /Log in/);

assert.deepEqual(wrong, []);
await browser.close();
