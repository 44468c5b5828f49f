// Too much at once, for a sandbox with the limits of Stripe's test mode.

import assert from "node:assert/strict";

async function whatIsTooMuchIsRefused(stripe, _, Stripe) {
  const calls = Array.from({ length: 80 }, () => stripe.products.list());
  const settled = await Promise.allSettled(calls);
  const refused = settled.filter((call) => call.status === "rejected").map((call) => call.reason);
  assert.ok(refused.length > 0 && refused.length < 80, `${refused.length} of 80 refused`);
  for (const error of refused) {
    assert.ok(error instanceof Stripe.errors.StripeRateLimitError, error.stack);
    assert.equal(error.statusCode, 429);
    assert.equal(error.code, "rate_limit");
    assert.match(error.headers["stripe-rate-limited-reason"], /^(global|endpoint)-rate$/);
    assert.match(error.requestId, /^req_/);
  }
}

export default [
  whatIsTooMuchIsRefused,
];
