// One key, one effect.

import assert from "node:assert/strict";
import { refusal } from "./expect.mjs";

async function theFirstAnswerIsRepeated(stripe) {
  const options = { idempotencyKey: "create-a" };
  const first = await stripe.products.create({ name: "A" }, options);
  assert.equal(first.lastResponse.headers["idempotency-key"], "create-a");
  assert.equal(first.lastResponse.headers["idempotent-replayed"], undefined);
  const again = await stripe.products.create({ name: "A" }, options);
  assert.equal(again.lastResponse.headers["idempotent-replayed"], "true");
  assert.equal(again.id, first.id);
  assert.equal((await stripe.products.list()).data.length, 1);
}

async function aKeyStandsForOneRequest(stripe, _, Stripe) {
  const error = await refusal(stripe.products.create({ name: "B" }, { idempotencyKey: "create-a" }), {
    type: "StripeIdempotencyError",
    statusCode: 400,
    message: /can only be used with the same parameters/,
  });
  assert.ok(error instanceof Stripe.errors.StripeIdempotencyError);
}

async function aRefusalOfTheStateIsRepeated(stripe) {
  const options = { idempotencyKey: "taken" };
  await stripe.products.create({ id: "prod_taken", name: "A" });
  const create = () => stripe.products.create({ id: "prod_taken", name: "B" }, options);
  await refusal(create(), { code: "resource_already_exists" });
  await stripe.products.del("prod_taken");
  const error = await refusal(create(), { code: "resource_already_exists" });
  assert.equal(error.headers["idempotent-replayed"], "true");
}

async function aRefusalOfTheParametersIsNot(stripe) {
  const options = { idempotencyKey: "mended" };
  await refusal(stripe.products.create({}, options), { code: "parameter_missing" });
  const mended = await stripe.products.create({ name: "Mended" }, options);
  assert.equal(mended.name, "Mended");
}

async function aReadHasNoKey(stripe) {
  const options = { idempotencyKey: "create-a" };
  const list = await stripe.products.list({}, options);
  assert.equal(list.lastResponse.headers["idempotent-replayed"], undefined);
}

export default [
  theFirstAnswerIsRepeated,
  aKeyStandsForOneRequest,
  aRefusalOfTheStateIsRepeated,
  aRefusalOfTheParametersIsNot,
  aReadHasNoKey,
];
