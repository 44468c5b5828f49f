// What is shown on request only, and amounts of every kind.

import assert from "node:assert/strict";
import { refusal } from "./expect.mjs";

const monthly = { recurring: { interval: "month" } };

async function tiersAreShownOnRequest(stripe) {
  await stripe.products.create({ id: "prod_tiers", name: "Tiers" });
  const tiered = {
    product: "prod_tiers",
    currency: "usd",
    billing_scheme: "tiered",
    tiers_mode: "graduated",
    tiers: [
      { up_to: 10, unit_amount: 500 },
      { up_to: "inf", unit_amount_decimal: "0.5", flat_amount: 100 },
    ],
  };
  await refusal(stripe.prices.create(tiered));
  const price = await stripe.prices.create({ ...tiered, ...monthly });
  assert.equal(price.tiers, undefined);
  assert.equal(price.unit_amount, null);
  const shown = await stripe.prices.retrieve(price.id, { expand: ["tiers"] });
  assert.deepEqual(
    shown.tiers.map((tier) => [tier.up_to, tier.unit_amount, String(tier.unit_amount_decimal), tier.flat_amount]),
    [
      [10, 500, "500", null],
      [null, null, "0.5", 100],
    ],
  );
  const listed = await stripe.prices.list({ product: "prod_tiers", active: true, expand: ["data.tiers", "data.product"] });
  assert.equal(listed.data[0].tiers.length, 2);
  assert.equal(listed.data[0].product.name, "Tiers");
}

async function currenciesAreAddedInPlace(stripe) {
  const product = await stripe.products.create({
    id: "prod_currencies",
    name: "Currencies",
    default_price_data: {
      currency: "usd",
      unit_amount: 2000,
      currency_options: { eur: { unit_amount: 1900, tax_behavior: "inclusive" } },
      ...monthly,
    },
  });
  const id = product.default_price;
  assert.equal((await stripe.prices.retrieve(id)).currency_options, undefined);
  const options = { expand: ["currency_options"] };
  const more = await stripe.prices.update(id, { currency_options: { jpy: { unit_amount: 2900 } }, ...options });
  assert.deepEqual(Object.keys(more.currency_options).sort(), ["eur", "jpy", "usd"]);
  assert.equal(more.currency_options.eur.tax_behavior, "inclusive");
  await refusal(stripe.prices.update(id, { currency_options: { usd: { unit_amount: 1 } } }), {
    param: "currency_options[usd]",
  });
}

async function fractionsAreDecimals(stripe) {
  const price = await stripe.prices.create({
    currency: "usd",
    unit_amount_decimal: "0.05",
    product_data: { name: "Fractions", metadata: { a: "1" } },
    ...monthly,
  });
  assert.equal(price.unit_amount, null);
  // The SDK makes a number type of its own of it, which prints as it came.
  assert.equal(String(price.unit_amount_decimal), "0.05");
  const product = await stripe.products.retrieve(price.product);
  assert.equal(product.default_price, null, "product_data makes no default price");
  assert.deepEqual(product.metadata, { a: "1" });
  await refusal(stripe.prices.create({ product: product.id, currency: "usd", unit_amount: 1, unit_amount_decimal: "1" }));
  await refusal(stripe.prices.create({ product: product.id, currency: "usd" }));
}

async function periodsEndAtThreeYears(stripe) {
  for (const [interval, most] of [["day", 1095], ["week", 156], ["month", 36], ["year", 3]]) {
    const price = (interval_count) =>
      stripe.prices.create({ product: "prod_tiers", currency: "usd", unit_amount: 5, recurring: { interval, interval_count } });
    assert.equal((await price(most)).recurring.interval_count, most);
    await refusal(price(most + 1), { param: "recurring[interval_count]" });
  }
}

async function meteredNeedsItsMeter(stripe) {
  const price = (recurring) =>
    stripe.prices.create({ product: "prod_tiers", currency: "usd", unit_amount: 5, recurring: { interval: "month", ...recurring } });
  const metered = await price({ usage_type: "metered", meter: "mtr_123" });
  assert.deepEqual([metered.recurring.usage_type, metered.recurring.meter], ["metered", "mtr_123"]);
  await refusal(price({ usage_type: "metered" }));
}

async function whatCannotBeExpandedIsRefused(stripe) {
  await refusal(stripe.products.retrieve("prod_tiers", { expand: ["name"] }));
  await refusal(stripe.products.list({ expand: ["default_price"] }));
}

export default [
  tiersAreShownOnRequest,
  currenciesAreAddedInPlace,
  fractionsAreDecimals,
  periodsEndAtThreeYears,
  meteredNeedsItsMeter,
  whatCannotBeExpandedIsRefused,
];
