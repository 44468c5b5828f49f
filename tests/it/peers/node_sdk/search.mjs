// Search, in a sandbox whose index does not lag.

import assert from "node:assert/strict";
import { refusal } from "./expect.mjs";

async function productsAreFound(stripe) {
  for (let i = 0; i < 12; i += 1) {
    await stripe.products.create({
      id: `prod_${i}`,
      name: `Plan number ${i}`,
      active: i % 2 === 0,
      metadata: { localId: `plan_${i}`, catalog: "main" },
    });
  }
  const one = await stripe.products.search({ query: "metadata['localId']:'plan_7'" });
  assert.equal(one.object, "search_result");
  assert.deepEqual(one.data.map((product) => product.id), ["prod_7"]);
  const query = "active:'true' AND metadata['catalog']:'main'";
  const all = [];
  for await (const product of stripe.products.search({ query, limit: 2 })) all.push(product.id);
  assert.deepEqual(all.sort(), ["prod_0", "prod_10", "prod_2", "prod_4", "prod_6", "prod_8"]);
  const counted = await stripe.products.search({ query, limit: 1, expand: ["total_count"] });
  assert.deepEqual([counted.total_count, counted.has_more], [6, true]);
  const named = await stripe.products.search({ query: 'name~"number"' });
  assert.ok(named.data.length > 0);
}

async function pricesAreFound(stripe) {
  await stripe.prices.create({ product: "prod_1", currency: "usd", unit_amount: 5, lookup_key: "plan_1" });
  await stripe.prices.create({ product: "prod_2", currency: "eur", unit_amount: 5 });
  const found = async (query) => (await stripe.prices.search({ query })).data.map((price) => price.product);
  assert.deepEqual(await found("lookup_key:'plan_1'"), ["prod_1"]);
  assert.deepEqual(await found("product:'prod_2'"), ["prod_2"]);
  assert.deepEqual(await found("currency:'eur'"), ["prod_2"]);
}

async function queriesThatAreNone(stripe) {
  for (const query of ["", "name", "future:'a'", "name:'a' AND active:'true' OR url:'b'"]) {
    await refusal(stripe.products.search({ query }));
  }
}

export default [
  productsAreFound,
  pricesAreFound,
  queriesThatAreNone,
];
