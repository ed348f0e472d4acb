import { MAX_FAILING_MS, classifyResponse, retryDelaySeconds } from "./rules/retry-policy.ts";
import { isEndpointUrl } from "./rules/endpoint.ts";
import type { EndpointHealth, Webhooks } from "../ports/webhooks.ts";
import type { Attempt, Delivery, Endpoint, WebhookAnswer } from "./rules/delivery.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { CachedRegistry } from "../ports/registry.ts";

export interface DeliverEventPorts {
  readonly registry: Pick<CachedRegistry, "uncached">;
  readonly ledgers: Pick<Ledgers, "recordAttempt">;
  readonly webhooks: Webhooks;
  readonly health: EndpointHealth;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly config: { readonly allowLoopback: boolean };
}

/** What becomes of a delivery; with the attempt, where one was made or given up. */
export interface DeliveryOutcome {
  readonly isDone: boolean;
  readonly attempt?: Attempt;
}

/**
 * Tries once to bring an event to an endpoint, and records how that went.
 *
 * @param attempts how often it has been tried, this time included
 */
export async function deliverEvent(
  ports: DeliverEventPorts,
  delivery: Delivery,
  attempts: number,
): Promise<DeliveryOutcome> {
  const { tenant, event } = delivery;
  // Past the cache: what was deleted, disabled or given another secret gets nothing by the old state.
  const endpoints = await ports.registry.uncached.endpoints(tenant);
  if (!endpoints.ok) return { isDone: false };
  const endpoint = endpoints.value.find(({ id }) => id === delivery.endpoint);
  if (!endpoint || endpoint.disabled)
    return recordUndelivered(
      ports,
      delivery,
      "skipped",
      endpoint ? "the endpoint is disabled" : "the endpoint was deleted",
    );

  const at = ports.nowMs();
  const answer = await send(ports, endpoint, delivery);
  const verdict = "status" in answer ? classifyResponse(answer.status) : "failed";
  const attempt: Attempt = {
    endpoint: endpoint.id,
    at,
    outcome: verdict === "delivered" ? "delivered" : "failed",
    milliseconds: ports.nowMs() - at,
    ...answer,
  };
  const recorded = ports.ledgers.recordAttempt(tenant, event.id, attempt);
  await Promise.all([
    // What has been delivered is not sent again for the sake of the record.
    verdict === "delivered" ? recorded.catch(() => undefined) : recorded,
    noteHealth(ports.health, endpoint, verdict, at, retryDelaySeconds(attempts) === undefined),
  ]);
  return { isDone: verdict !== "failed", attempt };
}

/** Records that an event will not be brought to an endpoint any more, unless it is asked for. */
export async function recordUndelivered(
  ports: Pick<DeliverEventPorts, "ledgers" | "nowMs">,
  { tenant, event, endpoint }: Delivery,
  outcome: "exhausted" | "skipped",
  reason: string,
): Promise<DeliveryOutcome> {
  const attempt: Attempt = { endpoint, at: ports.nowMs(), outcome, reason };
  await ports.ledgers.recordAttempt(tenant, event.id, attempt);
  return { isDone: true, attempt };
}

async function send(ports: DeliverEventPorts, endpoint: Endpoint, { event }: Delivery): Promise<WebhookAnswer> {
  // Checked when it was written, by a version that may have been another.
  if (!isEndpointUrl(endpoint.url, ports.config.allowLoopback)) return { reason: "the URL is not allowed" };
  if (endpoint.secrets.length === 0) return { reason: "its secrets cannot be read" };
  return ports.webhooks.send(endpoint, event);
}

/** Told only when it changes: most deliveries write nothing. */
async function noteHealth(
  health: EndpointHealth,
  endpoint: Endpoint,
  verdict: ReturnType<typeof classifyResponse>,
  at: number,
  isLast: boolean,
): Promise<void> {
  const { failingSince } = endpoint;
  switch (verdict) {
    case "delivered":
      return failingSince === undefined ? undefined : health.recovered(endpoint);
    case "gone":
      return health.disable(endpoint, "it answered 410 Gone");
    case "failed":
      if (failingSince === undefined) return health.failing(endpoint, at);
      return isLast && at - failingSince > MAX_FAILING_MS ? health.disable(endpoint, "it failed for days") : undefined;
    default:
      return verdict satisfies never;
  }
}
