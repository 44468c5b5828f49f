import { randomUUID } from "node:crypto";
import { create, type JsonValue } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type Client } from "@connectrpc/connect";
import { createGrpcTransport, type GrpcTransportOptions } from "@connectrpc/connect-node";
import { CatalogService, type Mapping } from "./gen/stripe_product_sync/v1/catalog_pb.js";
import {
  ChangeEventRecord_State as State,
  ChangeEventSchema,
  ChangeEventService,
  EmitChangeEventsResponse_Result_Outcome as Outcome,
  type ChangeEventRecord,
  type EmitChangeEventsResponse_Result as EmitResult,
} from "./gen/stripe_product_sync/v1/events_pb.js";
import {
  ProductSyncService,
  type SyncRun,
  type WatchSyncProgressResponse,
} from "./gen/stripe_product_sync/v1/sync_pb.js";
import { beforeRetry, pause, retrying } from "./retry.js";

/** Each field that changed, as it was and as it is. */
export type Changes = Record<string, { from: JsonValue; to: JsonValue }>;

export interface CrmEvent {
  /** `plan.created`, `product.deleted`, … */
  type: string;
  productType?: "plan" | "addon" | "role_tier" | "org_plan";
  /** The CRM's own id, for example `starter`. */
  productId: string;
  changes?: Changes;
  userId?: string;
  /** For whoever emits again what may have been emitted before, like an outbox. */
  eventId?: string;
}

/** The product can't be bought: there is no mapping, or it is archived. */
export class NotForSale extends Error {
  override name = "NotForSale";
}

/** The service won't store some of the events; the others are stored. */
export class EventsRefused extends Error {
  override name = "EventsRefused";

  constructor(readonly results: EmitResult[]) {
    super(results.map((result) => `${result.field}: ${result.message}`).join("; "));
  }
}

/** As many events as one request may have. */
const MAX_EVENTS = 1_000;
/** For one try. */
const TIMEOUT_MS = 10_000;
/** A connection that is dead without a word is noticed after this and 15 s. */
const PING_INTERVAL_MS = 20_000;
const POLL_MS = 250;

/** The CRM's way to stripe-product-sync. One for the whole process: it is one connection. */
export class StripeSync {
  readonly #events: Client<typeof ChangeEventService>;
  readonly #catalog: Client<typeof CatalogService>;
  readonly #runs: Client<typeof ProductSyncService>;

  /** `options` for what a deployment needs: certificates, interceptors that add a header. */
  constructor(baseUrl: string, options: Omit<GrpcTransportOptions, "baseUrl"> = {}) {
    const transport = createGrpcTransport({
      pingIntervalMs: PING_INTERVAL_MS,
      ...options,
      baseUrl,
    });
    this.#events = createClient(ChangeEventService, transport);
    this.#catalog = createClient(CatalogService, transport);
    this.#runs = createClient(ProductSyncService, transport);
  }

  // The hooks. To be called after the CRM has committed the change. When one
  // rejects, the service could not be reached for some time or refuses the event;
  // that is to be logged and no reason to undo the change: the service's own
  // daily sync finds it too.

  onPricingPlanChange(planId: string, changes: Changes, userId: string): Promise<EmitResult[]> {
    const isPrice = "monthlyPrice" in changes || "yearlyPrice" in changes;
    const type = isPrice ? "plan.price_changed" : "plan.updated";
    return this.emit([{ type, productType: "plan", productId: planId, changes, userId }]);
  }

  onAddonChange(addonId: string, changes: Changes, userId: string): Promise<EmitResult[]> {
    const productId = addonId;
    return this.emit([{ type: "addon.updated", productType: "addon", productId, changes, userId }]);
  }

  onRoleTierChange(
    role: string,
    tierId: string,
    changes: Changes,
    userId: string,
  ): Promise<EmitResult[]> {
    const productId = `${role}_${tierId}`;
    const type = "product.updated";
    return this.emit([{ type, productType: "role_tier", productId, changes, userId }]);
  }

  onOrgPlanChange(planId: string, changes: Changes, userId: string): Promise<EmitResult[]> {
    const type = "product.updated";
    return this.emit([{ type, productType: "org_plan", productId: planId, changes, userId }]);
  }

  requestManualSync(userId: string): Promise<EmitResult[]> {
    return this.emit([{ type: "product.manual_sync", productId: "all", userId }]);
  }

  /** Resolves once the service has stored the events; the sync follows. */
  async emit(events: CrmEvent[]): Promise<EmitResult[]> {
    // The ids are made here, so that a repeated request stores nothing twice.
    const messages = events.map((event) =>
      create(ChangeEventSchema, {
        eventId: event.eventId ?? randomUUID(),
        eventType: event.type,
        productType: event.productType ?? "",
        productId: event.productId,
        changes: event.changes ?? {},
        userId: event.userId ?? "",
        occurTime: timestampNow(),
      }),
    );
    const results: EmitResult[] = [];
    for (let sent = 0; sent < messages.length; sent += MAX_EVENTS) {
      const batch = messages.slice(sent, sent + MAX_EVENTS);
      const response = await retrying(() =>
        this.#events.emitChangeEvents({ events: batch }, { timeoutMs: TIMEOUT_MS }),
      );
      results.push(...response.results);
    }
    const refused = results.filter((result) => result.outcome === Outcome.INVALID);
    if (refused.length > 0) {
      throw new EventsRefused(refused);
    }
    return results;
  }

  /** Polls until the stored event is that far: `isTakenUp`, `isOver`. */
  async waitForEvent(
    event: { eventId: string; productId: string },
    isThatFar: (record: ChangeEventRecord) => boolean,
    signal?: AbortSignal,
  ): Promise<ChangeEventRecord> {
    for (;;) {
      const record = await this.#findEvent(event.eventId, event.productId, signal);
      if (isThatFar(record)) {
        return record;
      }
      await pause(POLL_MS, signal);
    }
  }

  async #findEvent(
    eventId: string,
    productId: string,
    signal?: AbortSignal,
  ): Promise<ChangeEventRecord> {
    let pageToken = "";
    do {
      const page = await retrying(
        () =>
          this.#events.listChangeEvents(
            { productId, pageToken },
            { timeoutMs: TIMEOUT_MS, ...(signal && { signal }) },
          ),
        signal,
      );
      const found = page.events.find((record) => record.eventId === eventId);
      if (found) {
        return found;
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    throw new Error(`the service has no event ${eventId} about ${productId}`);
  }

  /** What checkout puts into its line item: `stripePriceId` of a product on sale. */
  async checkoutPrice(localId: string): Promise<Mapping> {
    const { mappings } = await retrying(() =>
      this.#catalog.batchGetMappings({ localIds: [localId] }, { timeoutMs: TIMEOUT_MS }),
    );
    const [mapping] = mappings;
    if (!mapping) {
      throw new NotForSale(`${localId} is not in Stripe: not in the catalog, or not synced yet`);
    }
    if (!mapping.active) {
      throw new NotForSale(`${localId} is archived, so it can't be bought any more`);
    }
    return mapping;
  }

  /**
   * Follows a run to its end, over any interruption; without an id the current
   * run, or the next one. The last message is `finished`, whose run is returned
   * too. A snapshot stands for all that came before it.
   */
  async *followRun(
    runId = "",
    signal?: AbortSignal,
  ): AsyncGenerator<WatchSyncProgressResponse, SyncRun, undefined> {
    let position = 0n;
    for (let failures = 0; ; failures++) {
      // Ends the call when the caller leaves the loop early.
      const left = new AbortController();
      try {
        const messages = this.#runs.watchSyncProgress(
          { runId, resumeAfterSequence: position },
          { signal: signal ? AbortSignal.any([left.signal, signal]) : left.signal },
        );
        for await (const message of messages) {
          failures = 0;
          runId = message.runId;
          position = message.sequence;
          const { payload } = message;
          if (payload.case !== "heartbeat") {
            yield message;
          }
          if (payload.case === "finished") {
            return payload.value;
          }
        }
        throw new ConnectError("the stream ended before the run did", Code.Unavailable);
      } catch (error) {
        await beforeRetry(error, failures + 1, signal);
      } finally {
        left.abort();
      }
    }
  }
}

/** A run is at work on the event, or there is nothing to wait for any more. */
export function isTakenUp(record: ChangeEventRecord): boolean {
  return record.runId !== "" || isOver(record);
}

export function isOver(record: ChangeEventRecord): boolean {
  return record.state !== State.PENDING && record.state !== State.RUNNING;
}
