// Runs one file of checks with Stripe's own Node SDK:
//   node run.mjs CHECKS BASE_URL
// ./CHECKS.mjs has a list of checks, done in that order: functions of `stripe`, a
// client for BASE_URL, of `client(key, options)`, which makes others, of the SDK
// itself and of BASE_URL.

import { createRequire } from "node:module";

// Found by NODE_PATH, which `import` does not look at.
const Stripe = createRequire(import.meta.url)("stripe");

const [checks, base] = process.argv.slice(2);
const { hostname, port, protocol } = new URL(base);

function client(key = "sk_test_sdk", options = {}) {
  return new Stripe(key, {
    host: hostname,
    port: Number(port),
    protocol: protocol.replace(":", ""),
    maxNetworkRetries: 0,
    telemetry: false,
    ...options,
  });
}

let failed = 0;
for (const check of (await import(`./${checks}.mjs`)).default) {
  try {
    await check(client(), client, Stripe, base);
  } catch (error) {
    failed += 1;
    console.error(`\n${checks}: ${check.name}: ${error.stack}`);
    if (error.rawType) console.error(error.raw);
  }
}
// The SDK leaves the timer of a reply that was cut, 80 seconds, and Node would wait for it.
process.exit(failed > 0 ? 1 : 0);
