// The dashboard in live mode on a bad day: a write that was not confirmed, a run that
// fails while its page is open, a change by hand, an event that is given up and replayed.
//
// node trouble.mjs BASE KEY SANDBOX [FOLDER for screenshots]
import assert from 'node:assert/strict';
import { sitDown } from './person.mjs';

const [base, key, sandbox, folder] = process.argv.slice(2);
const { page, look, go, text, click, says, sees, logIn, leave } = await sitDown(base, folder);

/** Drives the stand-in for Stripe. */
async function drive(method, path, body) {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`http://${sandbox}/_sandbox${path}`, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${await answer.text()}`);
}
/** Somebody changes a product in Stripe. */
async function renameInStripe(id, name) {
  const answer = await fetch(`http://${sandbox}/v1/products/${id}`, {
    method: 'POST', headers: { authorization: 'Bearer sk_live_hand' }, body: new URLSearchParams({ name }),
  });
  assert.ok(answer.ok, await answer.text());
}
/** Loads the page again until it says so. */
async function until(path, pattern) {
  const patience = AbortSignal.timeout(60_000);
  let said;
  do {
    assert.ok(!patience.aborted, `${path} never says ${pattern} but\n${said}`);
    await go(path);
    said = await text();
  } while (!pattern.test(said));
}
/** What is typed where a write in live mode asks for the account's name. */
async function syncTyping(name) {
  if (!(await page.$('details:has(#confirm-sync)[open]'))) await page.click('details:has(#confirm-sync) summary');
  await page.type('#confirm-sync', name);
  await click('form:has(#confirm-sync) button');
}

// --- Live mode asks for the account's name --------------------------------------------------
await logIn(key);
await says('Live');
assert.match(await page.$eval('header', (header) => header.innerText), /live/i);
await page.click('details:has(.why) summary');
assert.match(await text(), /Preview or validate first/);
await look('live-unknown');
await click('form[action$="/validate"] button');
await go('');
const account = await page.$eval('label[for=confirm-sync] b', (name) => name.textContent);
await syncTyping('somebody else');
assert.match(await text(), /That is not the account’s name. Nothing was started./);
await look('live-refused');
await go('/runs');
assert.match(await text(), /No runs yet/);

// --- A run that fails while its page is open --------------------------------------------------
// One after the other and slowly, so that there is something to look at.
await drive('PUT', '/latency', { latency: '1s' });
await go('');
await syncTyping(account);
const failed = page.url();
await sees('#live-progress', /[1-9]\d* of 17/);
await look('run-busy');
assert.match(await page.$eval('#live-facts', (facts) => facts.innerText), /Running/);
await drive('PUT', '/latency', { latency: '0ms' });
await drive('POST', '/faults', { rule: '*: 503' });
await sees('#live-facts', /Partially failed/);
await sees('#live-problem', /Stripe answered 503/);
await sees('[role=status].sr', /Partially failed/);
await sees('#live-results', /Failed/);
assert.equal(page.url(), failed);
await look('run-failed');
await go('');
await look('overview-failed');

// --- The next one mends it ------------------------------------------------------------------------
await drive('DELETE', '/faults');
await syncTyping(account);
await sees('#live-facts', /Succeeded/);

// --- Somebody changes a product in Stripe: told, since drift is only to be reported ---------------
await renameInStripe('prod_plan_starter_monthly', 'Starter, half price!');
await until('/drift', /half price/);
await look('drift-live');

// --- Its run is cancelled: the event is given up, and replayed -----------------------------------
await drive('PUT', '/latency', { latency: '25s' });
await drive('POST', '/webhooks/hold');
const renamed = renameInStripe('prod_plan_starter_yearly', 'Starter for ever');
await drive('POST', '/webhooks/release', {});
await renamed;
await until('/runs?state=running', /Change event/);
await click('#list tbody a[href*="/runs/"]');
await click('form[action$="/cancel"] button');
await sees('#live-facts', /Cancelled/);
await drive('PUT', '/latency', { latency: '0ms' });
await until('/events', /1 event was given up/);
await look('events-given-up');
await go('');
await look('overview-given-up');
await go('/events');
await click('.notice form[action$="/events/replay"] button');
await until('/drift', /Starter for ever/);
await until('/events?state=failed', /No event is like that/);

// --- Stripe refuses our key ---------------------------------------------------------------------
await drive('POST', '/faults', { rule: '*: 401' });
await go('/preview');
await click('form[action$="/preview"] button');
await sees('main', /ended without a plan/);
await look('preview-failed');

await leave();
