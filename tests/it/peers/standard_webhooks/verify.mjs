// Verifies one post, given on stdin with the secret to use, by the specification's own
// library; prints what it says.
import { createRequire } from "node:module";

const { Webhook } = createRequire(import.meta.url)("standardwebhooks");
let text = "";
for await (const chunk of process.stdin) text += chunk;
const { secret, format, headers, body } = JSON.parse(text);
try {
  const payload = new Webhook(secret, format ? { format } : undefined).verify(body, headers);
  console.log(`verified ${payload.type}`);
} catch (error) {
  console.log(`refused: ${error.message}`);
}
