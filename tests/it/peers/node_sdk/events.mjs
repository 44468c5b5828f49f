// Events, and their signed deliveries, read by the SDK's own verification.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { refusal } from "./expect.mjs";

// What was delivered, raw; emits "delivered".
const deliveries = [];
const receiver = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  deliveries.push({ body, signature: request.headers["stripe-signature"], type: request.headers["content-type"] });
  response.end();
  receiver.emit("delivered");
});

async function delivered(count) {
  while (deliveries.length < count) await once(receiver, "delivered", { signal: AbortSignal.timeout(20_000) });
  return deliveries;
}

let secret;

async function anEndpointIsToldOfWhatHappens(stripe) {
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  // The process ends although it listens.
  receiver.unref();
  const endpoint = await stripe.webhookEndpoints.create({
    url: `http://127.0.0.1:${receiver.address().port}/hook`,
    enabled_events: ["product.created", "product.updated", "price.created"],
  });
  assert.match(endpoint.secret, /^whsec_/);
  assert.equal((await stripe.webhookEndpoints.retrieve(endpoint.id)).secret, undefined, "told once");
  secret = endpoint.secret;

  await stripe.products.create(
    { id: "prod_a", name: "A", default_price_data: { currency: "usd", unit_amount: 1999 } },
    { idempotencyKey: "our own" },
  );
  await stripe.products.update("prod_a", { name: "B", metadata: { a: "1" } });
  const seen = (await delivered(3)).map(({ body, signature, type }) => {
    assert.match(type, /^application\/json/);
    return stripe.webhooks.constructEvent(body, signature, secret);
  });
  assert.deepEqual(seen.map((event) => event.type), ["product.created", "price.created", "product.updated"]);
  const [product, price, update] = seen;
  for (const event of seen) {
    assert.equal(event.object, "event");
    assert.equal(event.livemode, false);
    assert.match(event.id, /^evt_/);
    assert.match(event.request.id, /^req_/);
  }
  assert.equal(product.request.idempotency_key, "our own");
  assert.equal(product.data.object.default_price, price.data.object.id);
  assert.equal(price.data.object.product, "prod_a");
  assert.equal(update.data.object.name, "B");
  assert.equal(update.data.previous_attributes.name, "A");
  assert.deepEqual(update.data.previous_attributes.metadata, { a: null });
}

async function aForgedDeliveryIsRefused(stripe, _, Stripe) {
  const [{ body, signature }] = deliveries;
  const verify = (body, signature, secret, tolerance) => () =>
    stripe.webhooks.constructEvent(body, signature, secret, tolerance);
  const forged = { name: "Error", type: "StripeSignatureVerificationError" };
  assert.throws(verify(body.replace("prod_a", "prod_b"), signature, secret), forged);
  assert.throws(verify(body, signature, "whsec_another"), forged);
  assert.throws(verify(body, signature.replace(/t=\d+/, "t=1"), secret), forged);
}

async function eventsAreListed(stripe) {
  const all = [];
  for await (const event of stripe.events.list({ limit: 1 })) all.push(event);
  assert.deepEqual(all.map((event) => event.type), ["product.updated", "price.created", "product.created"]);
  const updates = await stripe.events.list({ type: "product.updated" });
  assert.deepEqual(updates.data.map((event) => event.id), [all[0].id]);
  const prices = await stripe.events.list({ types: ["price.created", "price.updated"] });
  assert.deepEqual(prices.data.map((event) => event.id), [all[1].id]);
  const event = await stripe.events.retrieve(all[2].id);
  assert.equal(event.data.object.id, "prod_a");
  assert.equal(event.data.object.name, "A", "as it was then");
  await refusal(stripe.events.retrieve("evt_nobody"), { statusCode: 404, code: "resource_missing" });
}

async function anEndpointIsChangedAndDeleted(stripe) {
  const [endpoint] = (await stripe.webhookEndpoints.list()).data;
  const disabled = await stripe.webhookEndpoints.update(endpoint.id, { disabled: true });
  assert.equal(disabled.status, "disabled");
  assert.equal((await stripe.webhookEndpoints.del(endpoint.id)).deleted, true);
  await refusal(stripe.webhookEndpoints.retrieve(endpoint.id), { statusCode: 404 });
  await refusal(stripe.webhookEndpoints.create({ url: "nowhere", enabled_events: ["*"] }));
  await refusal(stripe.webhookEndpoints.create({ url: "http://127.0.0.1:1/", enabled_events: ["future.event"] }));
}

export default [
  anEndpointIsToldOfWhatHappens,
  aForgedDeliveryIsRefused,
  eventsAreListed,
  anEndpointIsChangedAndDeleted,
];
