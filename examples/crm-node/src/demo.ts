// A plan's price changed in the CRM: say so, follow the sync, and take the
// price to checkout. Usage: node dist/demo.js [ADDRESS [PLAN]]

import {
  ChangeEventRecord_State as State,
  EmitChangeEventsResponse_Result_Outcome as Outcome,
} from "./gen/stripe_product_sync/v1/events_pb.js";
import {
  SyncRun_State as RunState,
  type WatchSyncProgressResponse,
} from "./gen/stripe_product_sync/v1/sync_pb.js";
import { SyncResult_Action as Action } from "./gen/stripe_product_sync/v1/types_pb.js";
import { StripeSync, isOver, isTakenUp } from "./stripe-sync.js";

const [, , address = process.env["STRIPE_SYNC_ADDRESS"] ?? "127.0.0.1:50051", plan = "starter"] =
  process.argv;

async function main(): Promise<void> {
  const sync = new StripeSync(address.includes("://") ? address : `http://${address}`);
  const signal = AbortSignal.timeout(120_000);

  // What the sample catalog says. Where the catalog says otherwise, its price is
  // synced, and the event's message tells of it.
  const changes = { monthlyPrice: { from: 25, to: 29 } };
  const [result] = await sync.onPricingPlanChange(plan, changes, "demo");
  const event = { eventId: result!.eventId, productId: plan };
  console.log(`event ${event.eventId}: ${Outcome[result!.outcome]}`);

  const { runId } = await sync.waitForEvent(event, isTakenUp, signal);
  if (runId !== "") {
    for await (const message of sync.followRun(runId, signal)) {
      console.log(`run ${runId}: ${told(message)}`);
    }
  }
  const { state, message } = await sync.waitForEvent(event, isOver, signal);
  console.log(`event ${event.eventId}: ${State[state]}${message && `, ${message}`}`);
  if (state !== State.DONE) {
    throw new Error("the change is not in Stripe");
  }

  const mapping = await sync.checkoutPrice(`plan_${plan}_monthly`);
  console.log(`checkout: ${mapping.localId} is ${mapping.stripePriceId}`);
}

function told({ payload }: WatchSyncProgressResponse): string {
  switch (payload.case) {
    case "snapshot":
      return `is ${RunState[payload.value.run!.state]}`;
    case "finished": {
      const { state, error } = payload.value;
      return `ended ${RunState[state]}${error ? `, ${error.message}` : ""}`;
    }
    case "event": {
      const { kind } = payload.value;
      if (kind.case === "stepFinished") {
        const { result, stepsFinished, stepsTotal } = kind.value;
        return `${result!.localId} ${Action[result!.action]} (${stepsFinished} of ${stepsTotal})`;
      }
      return kind.case ?? "something that this client doesn't know";
    }
    default:
      return "goes on";
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
});
