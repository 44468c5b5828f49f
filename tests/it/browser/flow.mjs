// A person at the dashboard: logs in, previews, applies exactly that, watches it live,
// finds it in the history, logs out.
//
// node flow.mjs BASE KEY [FOLDER for screenshots]
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { sitDown } from './person.mjs';

const [base, key, folder] = process.argv.slice(2);
const { page, look, go, text, click, says, sees, logIn, leave } = await sitDown(base, folder);

/** Asks who started this for something, and waits until it is done. */
async function please(what) {
  const input = createInterface({ input: process.stdin });
  const done = once(input, 'line');
  console.log(what);
  await done;
  input.close();
}

// --- In ---------------------------------------------------------------------------------
await page.goto(`${base}/`);
await look('login');
await page.type('#key', 'sps_aaaaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb');
await click('form[action$="/login"] button');
assert.match(await text(), /No key like this is known/);
await look('login-refused');
await logIn(key);
assert.equal(new URL(page.url()).pathname, '/admin/stripe-sync');
await says('Live');
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
await sees('#live-facts', /Succeeded/);
await page.waitForFunction((n) => document.querySelectorAll('#live-results tbody tr').length === n, {}, planned);
await look('run');

// --- A price that changes ------------------------------------------------------------------
await please('change the catalog');
await go('');
await click('form[action$="/preview"] button');
await sees('.plan', /Reprice/);
await look('preview-change');
await click('form[action$="/apply"] button');
await sees('#live-facts', /Succeeded/);
await sees('#live-results', /35.00/);

// --- In the history, and nothing is left to do ----------------------------------------------
await go('/runs');
assert.ok(await page.$(`a[href$="/runs/${run}"]`), 'the run is not in the history');
await look('runs');
await page.select('select[name=kind]', 'dry');
await page.waitForFunction(() => location.search.includes('kind=dry'));
await page.waitForFunction((run) => !document.querySelector(`a[href$="/runs/${run}"]`), {}, run);
await go('/preview');
await click('form[action$="/preview"] button');
await sees('main', /Nothing would change/);
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
await says('Live');
const restarted = please('restart the service');
await says('Connection lost, reconnecting');
await restarted;
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

await leave();
