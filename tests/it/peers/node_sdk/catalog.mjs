// A product's life: made, read, changed, repriced, archived, and what cannot be
// undone.

import assert from "node:assert/strict";
import { refusal } from "./expect.mjs";

async function aProductWithItsDefaultPrice(stripe) {
  const product = await stripe.products.create({
    id: "prod_plan",
    name: "Plan",
    description: "What it is",
    images: ["https://example.com/a.png"],
    marketing_features: [{ name: "One" }, { name: "Two" }],
    metadata: { localId: "plan" },
    statement_descriptor: "PLAN",
    tax_code: "txcd_10103000",
    unit_label: "seat",
    url: "https://example.com/plan",
    default_price_data: {
      currency: "usd",
      unit_amount: 1999,
      recurring: { interval: "month" },
      metadata: { localId: "plan" },
    },
    expand: ["default_price"],
  });
  assert.equal(product.object, "product");
  assert.equal(product.id, "prod_plan");
  assert.equal(product.livemode, false);
  assert.equal(product.default_price.unit_amount, 1999);
  assert.equal(product.default_price.product, "prod_plan");
  assert.equal(product.default_price.recurring.interval_count, 1);
  assert.match(product.lastResponse.requestId, /^req_/);
  assert.equal(product.lastResponse.statusCode, 200);

  const plain = await stripe.products.retrieve("prod_plan");
  assert.equal(plain.default_price, product.default_price.id, "an id where it is not expanded");
  const { created, updated, ...rest } = plain;
  assert.ok(Number.isInteger(created) && Number.isInteger(updated));
  assert.deepEqual(rest.marketing_features, [{ name: "One" }, { name: "Two" }]);

  await stripe.prices.update(product.default_price.id, { lookup_key: "plan" });
  const found = await stripe.prices.list({ lookup_keys: ["plan"], active: true });
  assert.deepEqual(found.data.map((price) => price.id), [product.default_price.id]);
}

async function whatIsAbsentStays(stripe) {
  const changed = await stripe.products.update("prod_plan", {
    name: "Plan A",
    description: "",
    images: "",
    marketing_features: [{ name: "Three" }],
  });
  assert.equal(changed.name, "Plan A");
  assert.equal(changed.description, null);
  assert.deepEqual(changed.images, []);
  assert.deepEqual(changed.marketing_features, [{ name: "Three" }]);
  assert.equal(changed.unit_label, "seat");
  assert.deepEqual(changed.metadata, { localId: "plan" });
}

async function metadataIsMergedAndUnset(stripe) {
  const merged = await stripe.products.update("prod_plan", { metadata: { a: "1", b: "2" } });
  assert.deepEqual(merged.metadata, { localId: "plan", a: "1", b: "2" });
  const unset = await stripe.products.update("prod_plan", { metadata: { a: "" } });
  assert.deepEqual(unset.metadata, { localId: "plan", b: "2" });
  const none = await stripe.products.update("prod_plan", { metadata: "" });
  assert.deepEqual(none.metadata, {});
}

async function anotherAmountIsAnotherPrice(stripe) {
  const { default_price: old } = await stripe.products.retrieve("prod_plan");
  await refusal(stripe.prices.update(old, { unit_amount: 2499 }), { param: "unit_amount" });
  const price = await stripe.prices.create({
    product: "prod_plan",
    currency: "usd",
    unit_amount: 2499,
    recurring: { interval: "month" },
    lookup_key: "plan",
    transfer_lookup_key: true,
  });
  assert.equal(price.lookup_key, "plan");
  assert.equal((await stripe.prices.retrieve(old)).lookup_key, null);
  await refusal(stripe.prices.update(old, { active: false }), {
    message: /cannot be archived because it is the default price/,
    code: undefined,
  });
  await stripe.products.update("prod_plan", { default_price: price.id });
  const archived = await stripe.prices.update(old, { active: false });
  assert.equal(archived.active, false);
  await refusal(stripe.prices.create({ product: "prod_plan", currency: "usd", unit_amount: 1, lookup_key: "plan" }), {
    param: "lookup_key",
    message: new RegExp(`\`${price.id}\`.*already uses that lookup key`),
  });
}

async function anArchivedProductKeepsItsPrices(stripe) {
  const archived = await stripe.products.update("prod_plan", { active: false });
  assert.equal(archived.active, false);
  const price = await stripe.prices.retrieve(archived.default_price);
  assert.equal(price.active, true);
  const live = await stripe.products.list({ active: true });
  assert.ok(live.data.every((product) => product.id !== "prod_plan"));
  assert.equal((await stripe.products.update("prod_plan", { active: true })).active, true);
}

async function onlyAProductWithoutPricesIsDeleted(stripe) {
  await refusal(stripe.products.del("prod_plan"), {
    message: /one or more user-created prices/,
    code: undefined,
    param: undefined,
  });
  const bare = await stripe.products.create({ name: "Bare" });
  assert.match(bare.id, /^prod_/);
  assert.deepEqual({ ...(await stripe.products.del(bare.id)) }, { id: bare.id, object: "product", deleted: true });
  await refusal(stripe.products.retrieve(bare.id), { statusCode: 404, code: "resource_missing" });
}

export default [
  aProductWithItsDefaultPrice,
  whatIsAbsentStays,
  metadataIsMergedAndUnset,
  anotherAmountIsAnotherPrice,
  anArchivedProductKeepsItsPrices,
  onlyAProductWithoutPricesIsDeleted,
];
