// What a refusal has to be.

import assert from "node:assert/strict";

/// The error that `call` ends with, once its fields are as `expected`.
export async function refusal(call, expected = {}) {
  const error = await call.then(
    (answer) => assert.fail(`not refused: ${JSON.stringify(answer)}`),
    (error) => error,
  );
  const wanted = { type: "StripeInvalidRequestError", statusCode: 400, ...expected };
  for (const [field, value] of Object.entries(wanted)) {
    if (value instanceof RegExp) assert.match(error[field] ?? "", value);
    else assert.equal(error[field], value, `${field} of ${error.stack}`);
  }
  return error;
}
