// Each refusal as the SDK's own class of error.

import assert from "node:assert/strict";
import { refusal } from "./expect.mjs";

async function aMissingParameter(stripe, _, Stripe) {
  const error = await refusal(stripe.products.create({}), {
    code: "parameter_missing",
    param: "name",
    message: /Missing required param: name\./,
    rawType: "invalid_request_error",
  });
  assert.ok(error instanceof Stripe.errors.StripeInvalidRequestError);
  assert.match(error.requestId, /^req_/);
  assert.match(error.doc_url, /^https:\/\/stripe\.com\/docs\/error-codes\/parameter-missing/);
  assert.match(error.raw.request_log_url, /^https:\/\/dashboard\.stripe\.com\/acct_\w+\/test\/logs\?object=req_/);
}

async function parametersThatDoNotExist(stripe) {
  await refusal(stripe.products.create({ name: "A", future: 1 }), { code: "parameter_unknown", param: "future" });
  await refusal(
    stripe.products.create({ name: "A", default_price_data: { currency: "usd", unit_amount: 1, lookup_key: "a" } }),
    { code: "parameter_unknown", param: "default_price_data[lookup_key]" },
  );
  const nowhere = await refusal(stripe.products.retrieve("prod_nobody"), {
    statusCode: 404,
    code: "resource_missing",
    param: "id",
  });
  assert.match(nowhere.message, /No such product: 'prod_nobody'/);
  await refusal(stripe.prices.create({ product: "prod_nobody", currency: "usd", unit_amount: 1 }), {
    statusCode: 400,
    code: "resource_missing",
    param: "product",
  });
  await refusal(stripe.rawRequest("DELETE", "/v1/prices/price_1"), { statusCode: 404, message: /Unrecognized request URL/ });
}

async function aTakenId(stripe) {
  await stripe.products.create({ id: "prod_taken", name: "A" });
  await refusal(stripe.products.create({ id: "prod_taken", name: "B" }), { code: "resource_already_exists" });
  await refusal(stripe.products.create({ id: "no spaces", name: "A" }), { param: "id" });
}

async function keysThatDoNotOpen(stripe, client, Stripe) {
  const unknown = await refusal(client("sk_live_1").products.list(), {
    type: "StripeAuthenticationError",
    statusCode: 401,
  });
  assert.ok(unknown instanceof Stripe.errors.StripeAuthenticationError);
  const publishable = await refusal(client("pk_test_1").products.list(), {
    type: "StripePermissionError",
    statusCode: 403,
    code: "secret_key_required",
  });
  assert.ok(publishable instanceof Stripe.errors.StripePermissionError);
}

async function theAccountBehindTheKey(stripe) {
  const account = await stripe.accounts.retrieveCurrent();
  assert.match(account.id, /^acct_/);
  assert.equal(account.object, "account");
  assert.equal(account.livemode, undefined);
}

export default [
  aMissingParameter,
  parametersThatDoNotExist,
  aTakenId,
  keysThatDoNotOpen,
  theAccountBehindTheKey,
];
