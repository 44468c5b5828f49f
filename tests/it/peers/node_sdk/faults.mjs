// What goes wrong on demand, and how the SDK's own retries get on with it.

import assert from "node:assert/strict";
import { refusal } from "./expect.mjs";

async function control(base, method, path, body) {
  const response = await fetch(`${base}/_sandbox${path}`, {
    method,
    headers: { "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.text()}`);
}

/// What `call` answers while `rule` holds.
async function during(base, rule, call) {
  await control(base, "PUT", "/faults", { rules: [rule] });
  try {
    return await call();
  } finally {
    await control(base, "DELETE", "/faults");
  }
}

async function names(stripe) {
  const list = await stripe.products.list({ limit: 100 });
  return list.data.map((product) => product.name).sort();
}

async function aFailureIsTriedAgain(_, client, __, base) {
  const stripe = client("sk_test_sdk", { maxNetworkRetries: 2 });
  await during(base, "POST /v1/products first 2: 500", () => stripe.products.create({ name: "after 500" }));
  await during(base, "POST /v1/products #1: lost-request", () => stripe.products.create({ name: "after a lost request" }));
  const options = { idempotencyKey: "conflict" };
  await during(base, "POST /v1/products #1: 409", () => stripe.products.create({ name: "after 409" }, options));
  assert.deepEqual(await names(stripe), ["after 409", "after 500", "after a lost request"]);
}

// The SDK sends one key over all attempts: one product, and the answer of old.
async function aLostReplyHasItsEffectOnce(_, client, Stripe, base) {
  const stripe = client("sk_test_sdk", { maxNetworkRetries: 2 });
  const create = (name, options) => stripe.products.create({ name }, options);
  const made = await during(base, "POST /v1/products #1: lost-reply", () => create("lost"));
  assert.equal(made.lastResponse.headers["idempotent-replayed"], "true");

  // Once a reply has begun, the SDK leaves the repetition to its caller; where the cut comes
  // together with its beginning, it repeats the request itself.
  const options = { idempotencyKey: "cut" };
  await during(base, "POST /v1/products #1: cut", () =>
    create("cut", options).catch((error) => assert.ok(error instanceof Stripe.errors.StripeConnectionError, error)),
  );
  const again = await create("cut", options);
  assert.equal(again.lastResponse.headers["idempotent-replayed"], "true");
  const both = (await names(stripe)).filter((name) => name === "cut" || name === "lost");
  assert.deepEqual(both, ["cut", "lost"]);
}

async function withoutRetriesItIsAnError(stripe, _, Stripe, base) {
  const failed = await during(base, "POST /v1/products #1: 500", () =>
    refusal(stripe.products.create({ name: "A" }), { type: "StripeAPIError", statusCode: 500 }),
  );
  assert.match(failed.requestId, /^req_/);
  await during(base, "GET /v1/products #1: 429 reason=global-rate", async () => {
    const limited = await refusal(stripe.products.list(), { type: "StripeRateLimitError", statusCode: 429 });
    assert.equal(limited.headers["stripe-rate-limited-reason"], "global-rate");
  });
  await during(base, "GET /v1/products #1: html", () =>
    assert.rejects(stripe.products.list(), Stripe.errors.StripeError),
  );
  await during(base, "GET /v1/products #1: nonsense", () =>
    assert.rejects(stripe.products.list(), Stripe.errors.StripeAPIError),
  );
}

async function aRestrictedKeyLacksWhatItWasNotGiven(_, client, Stripe, base) {
  const restricted = client("rk_test_prices");
  await control(base, "PUT", "/keys", { key: "rk_test_prices=default:rak_plan_write,rak_product_read" });
  assert.ok((await restricted.products.list()).data.length > 0);
  const error = await refusal(restricted.products.create({ name: "A" }), {
    type: "StripePermissionError",
    statusCode: 403,
    message: /rak_product_write/,
  });
  assert.ok(error instanceof Stripe.errors.StripePermissionError);
}

export default [
  aFailureIsTriedAgain,
  aLostReplyHasItsEffectOnce,
  withoutRetriesItIsAnError,
  aRestrictedKeyLacksWhatItWasNotGiven,
];
