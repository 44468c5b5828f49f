// Pages, cursors and filters, as the SDK asks for them.

import assert from "node:assert/strict";
import { refusal } from "./expect.mjs";

const COUNT = 230;

async function everyPageIsFollowed(stripe) {
  for (let from = 0; from < COUNT; from += 23) {
    const some = Array.from({ length: 23 }, (_, i) =>
      stripe.products.create({
        id: `prod_${from + i}`,
        name: `Product ${from + i}`,
        active: i !== 0,
        default_price_data: { currency: "usd", unit_amount: 100 + i },
      }),
    );
    await Promise.all(some);
  }
  const seen = [];
  for await (const product of stripe.products.list({ limit: 100, expand: ["data.default_price"] })) {
    assert.equal(product.default_price.product, product.id);
    seen.push(product.id);
  }
  assert.equal(seen.length, COUNT);
  assert.equal(new Set(seen).size, COUNT);

  const page = await stripe.products.list();
  assert.deepEqual([page.data.length, page.has_more, page.url], [10, true, "/v1/products"]);
  assert.deepEqual(page.data.map((product) => product.id), seen.slice(0, 10), "the same order");
  const times = page.data.map((product) => product.created);
  assert.deepEqual(times, [...times].sort((a, b) => b - a), "newest first");

  const backwards = [];
  for await (const product of stripe.products.list({ limit: 100, ending_before: seen.at(-1) })) {
    backwards.push(product.id);
  }
  assert.deepEqual(backwards.reverse(), seen.slice(0, -1));
  const some = await stripe.products.list({ limit: 7 }).autoPagingToArray({ limit: 20 });
  assert.deepEqual(some.map((product) => product.id), seen.slice(0, 20));
}

async function filtersNarrowAList(stripe) {
  const archived = await stripe.products.list({ active: false, limit: 100 });
  assert.equal(archived.data.length, COUNT / 23);
  const ids = await stripe.products.list({ ids: ["prod_5", "prod_nobody", "prod_7"] });
  assert.deepEqual(ids.data.map((product) => product.id).sort(), ["prod_5", "prod_7"]);
  const prices = await stripe.prices.list({ product: "prod_5" });
  assert.deepEqual(prices.data.map((price) => price.unit_amount), [105]);
  const recurring = await stripe.prices.list({ type: "recurring" });
  assert.equal(recurring.data.length, 0);
  const future = await stripe.products.list({ created: { gt: Math.floor(Date.now() / 1000) + 60 } });
  assert.equal(future.data.length, 0);
  const past = await stripe.products.list({ created: { gte: 0, lt: 1000 } });
  assert.equal(past.data.length, 0);
}

async function whatNoListTakes(stripe) {
  for (const params of [
    { limit: 0 },
    { limit: 101 },
    { starting_after: "prod_nobody" },
    { starting_after: "prod_1", ending_before: "prod_2" },
    { ids: ["prod_1"], starting_after: "prod_2" },
  ]) {
    await refusal(stripe.products.list(params));
  }
  await refusal(stripe.prices.list({ product: "prod_nobody" }), { code: "resource_missing", param: "product" });
  await refusal(stripe.prices.list({ lookup_keys: Array.from({ length: 11 }, (_, i) => `k${i}`) }));
}

export default [
  everyPageIsFollowed,
  filtersNarrowAList,
  whatNoListTakes,
];
