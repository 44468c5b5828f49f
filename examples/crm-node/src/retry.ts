import { setTimeout } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";

/** Failures in a row before a call is given up: about 15 s, longer than a restart takes. */
const MAX_FAILURES = 8;
const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 5_000;

/** Calls until there is an answer. Only for calls that may be repeated. */
export async function retrying<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await call();
    } catch (error) {
      await beforeRetry(error, failures, signal);
    }
  }
}

/** Waits until the next try is due; throws the error where another try won't help. */
export async function beforeRetry(
  error: unknown,
  failures: number,
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted || failures >= MAX_FAILURES || !isInterruption(error)) {
    throw error;
  }
  const longest = Math.min(FIRST_DELAY_MS * 2 ** (failures - 1), MAX_DELAY_MS);
  // Random, so that many clients of one service don't come back at the same moment.
  const delay = longest / 2 + (Math.random() * longest) / 2;
  await pause(retryDelayMs(error) + delay, signal);
}

export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, signal ? { signal } : {});
}

function isInterruption(error: unknown): error is ConnectError {
  if (!(error instanceof ConnectError)) {
    return false;
  }
  switch (error.code) {
    case Code.Unavailable:
    case Code.DeadlineExceeded:
      return true;
    // How the transport tells that the connection was lost. The service uses
    // these codes too, but then says why.
    case Code.Aborted:
    case Code.Canceled:
      return error.findDetails(ErrorInfoSchema).length === 0;
    default:
      return false;
  }
}

/** What the service asks to wait at least; mostly nothing. */
function retryDelayMs(error: ConnectError): number {
  const [info] = error.findDetails(RetryInfoSchema);
  return info?.retryDelay ? durationMs(info.retryDelay) : 0;
}
