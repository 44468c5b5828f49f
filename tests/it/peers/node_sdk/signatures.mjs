// What Stripe's own helper says of deliveries that the service judged, and what it
// signs itself. Reads `{judge: [{header, body, secret, now}], sign: [{body, secret, now}]}`.
import { createRequire } from 'node:module';

const Stripe = createRequire(import.meta.url)('stripe');
const { webhooks } = new Stripe('sk_test_x');

let input = '';
for await (const part of process.stdin) input += part;
const { judge, sign } = JSON.parse(input);

const TOLERANCE = 300;
const judged = judge.map(({ header, body, secret, now }) => {
  try {
    webhooks.constructEvent(body, header, secret, TOLERANCE, undefined, now * 1000);
    return true;
  } catch {
    // Every body is JSON: what it throws is about the signature.
    return false;
  }
});
const signed = sign.map(({ body, secret, now }) =>
  webhooks.generateTestHeaderString({ payload: body, secret, timestamp: now }));
console.log(JSON.stringify({ judged, signed }));
