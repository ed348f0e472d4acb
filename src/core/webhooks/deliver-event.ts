import type { Ledgers } from "../ports/ledger.ts";
import type { CachedRegistry } from "../ports/registry.ts";
import type { EndpointHealth, Webhooks } from "../ports/webhooks.ts";
import { isEndpointUrl } from "../shared/fetched-url.ts";
import type { DeliveryAttempt, Delivery, WebhookResponse } from "./rules/delivery.ts";
import type { Endpoint } from "./rules/endpoint.ts";
import { MAX_FAILING_MS, classifyResponse, retryDelaySeconds } from "./rules/retry-policy.ts";

export interface DeliverEventPorts {
  readonly registry: Pick<CachedRegistry, "uncached">;
  readonly ledgers: Pick<Ledgers, "recordAttempt">;
  readonly webhooks: Webhooks;
  readonly health: EndpointHealth;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly config: { readonly allowLoopback: boolean };
}

export interface DeliveryResult {
  /** Whether the queue must send the delivery again. */
  readonly retry: boolean;
  /** What was recorded; absent if the registry could not be read. */
  readonly attempt?: DeliveryAttempt;
}

/**
 * Sends an event to an endpoint once, and records the attempt. Rejects if the attempt cannot be recorded, except after a
 * successful delivery.
 *
 * @param attempts number of attempts so far, including this one
 */
export async function deliverEvent(
  ports: DeliverEventPorts,
  delivery: Delivery,
  attempts: number,
): Promise<DeliveryResult> {
  const { tenant, event } = delivery;
  // Past the cache, so that a deleted, disabled or changed endpoint is never used in its old state.
  const endpoints = await ports.registry.uncached.endpoints(tenant);
  if (!endpoints.ok) return { retry: true };
  const endpoint = endpoints.value.find(({ id }) => id === delivery.endpoint);
  if (!endpoint) return recordUndelivered(ports, delivery, "skipped", "the endpoint was deleted");
  if (endpoint.disabled) return recordUndelivered(ports, delivery, "skipped", "the endpoint is disabled");

  const at = ports.nowMs();
  const response = await send(ports, endpoint, delivery);
  const result = "status" in response ? classifyResponse(response.status) : "failed";
  const attempt: DeliveryAttempt = {
    endpoint: endpoint.id,
    at,
    outcome: result === "delivered" ? "delivered" : "failed",
    milliseconds: ports.nowMs() - at,
    ...response,
  };
  const recorded = ports.ledgers.recordAttempt(tenant, event.id, attempt);
  await Promise.all([
    // A delivered event is not sent again just because the attempt could not be recorded.
    result === "delivered" ? recorded.catch(() => undefined) : recorded,
    updateHealth(ports.health, endpoint, result, at, retryDelaySeconds(attempts) === undefined),
  ]);
  return { retry: result === "failed", attempt };
}

/** Records that an event will not be delivered to an endpoint, unless the operator redelivers it. */
export async function recordUndelivered(
  ports: Pick<DeliverEventPorts, "ledgers" | "nowMs">,
  { tenant, event, endpoint }: Delivery,
  outcome: "exhausted" | "skipped",
  reason: string,
): Promise<DeliveryResult> {
  const attempt: DeliveryAttempt = { endpoint, at: ports.nowMs(), outcome, reason };
  await ports.ledgers.recordAttempt(tenant, event.id, attempt);
  return { retry: false, attempt };
}

async function send(ports: DeliverEventPorts, endpoint: Endpoint, { event }: Delivery): Promise<WebhookResponse> {
  // The URL was validated when it was stored, but perhaps by another version of the gateway.
  if (!isEndpointUrl(endpoint.url, ports.config.allowLoopback)) return { reason: "the URL is not allowed" };
  if (endpoint.secrets.length === 0) return { reason: "its secrets cannot be read" };
  return ports.webhooks.send(endpoint, event);
}

/** Writes only changes of the endpoint's health, so most deliveries write nothing. */
async function updateHealth(
  health: EndpointHealth,
  endpoint: Endpoint,
  result: ReturnType<typeof classifyResponse>,
  at: number,
  isLastAttempt: boolean,
): Promise<void> {
  const { failingSince } = endpoint;
  switch (result) {
    case "delivered":
      return failingSince === undefined ? undefined : health.markRecovered(endpoint);
    case "gone":
      return health.disable(endpoint, "it answered 410 Gone");
    case "failed":
      if (failingSince === undefined) return health.markFailing(endpoint, at);
      return isLastAttempt && at - failingSince > MAX_FAILING_MS
        ? health.disable(endpoint, "it failed for days")
        : undefined;
    default:
      return result satisfies never;
  }
}
