import type { Ledgers } from "../ports/ledger.ts";
import type { CachedRegistry } from "../ports/registry.ts";
import type { DeliveryQueue, EndpointHealth, Webhooks } from "../ports/webhooks.ts";
import { isEndpointUrl } from "../shared/fetched-url.ts";
import type { DeliveryAttempt, Delivery, WebhookResponse } from "./rules/delivery.ts";
import type { Endpoint } from "./rules/endpoint.ts";
import {
  MAX_ATTEMPTS,
  MAX_FAILING_MS,
  SLOW_SECONDS,
  classifyResponse,
  requestedDelaySeconds,
  retryDelaySeconds,
} from "./rules/retry-policy.ts";

export interface DeliverEventPorts {
  readonly registry: Pick<CachedRegistry, "uncached">;
  readonly ledgers: Pick<Ledgers, "recordAttempt">;
  readonly deliveries: DeliveryQueue;
  readonly webhooks: Webhooks;
  readonly health: EndpointHealth;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly wait: (seconds: number) => Promise<void>;
  readonly random: () => number;
  readonly config: { readonly allowLoopback: boolean };
}

export interface DeliveryResult {
  /** Whether the queue must send the message again. */
  readonly retry: boolean;
  /** Before it does. Absent if there was no attempt, or if it was the last one. */
  readonly delaySeconds?: number | undefined;
  /** What was recorded; absent if the registry could not be read, or the delivery moved to the other queue. */
  readonly attempt?: DeliveryAttempt;
}

/**
 * Sends an event to an endpoint once, and records the attempt. In the queue for all endpoints, a slow endpoint's delivery moves
 * to the queue for slow ones before its attempt, and a failed one for its next attempt. Rejects if the attempt cannot be
 * recorded, unless it succeeded or moved.
 *
 * @param number of the attempt, from 1; above `MAX_ATTEMPTS` there is none, which is recorded
 * @param slowQueue whether the delivery comes from the queue for slow endpoints
 */
export async function deliverEvent(
  ports: DeliverEventPorts,
  delivery: Delivery,
  number: number,
  slowQueue: boolean,
): Promise<DeliveryResult> {
  const { tenant, event } = delivery;
  const move = (attempt: number, delaySeconds = 0) =>
    ports.deliveries.send([{ delivery: { ...delivery, attempt }, slow: true, delaySeconds }]);

  if (number > MAX_ATTEMPTS) return recordUndelivered(ports, delivery, "exhausted", "it was tried often enough");
  // Past the cache, so that a deleted, disabled or changed endpoint is never used in its old state.
  const endpoints = await ports.registry.uncached.endpoints(tenant);
  if (!endpoints.ok) return { retry: true };
  const endpoint = endpoints.value.find(({ id }) => id === delivery.endpoint);
  if (!endpoint) return recordUndelivered(ports, delivery, "skipped", "the endpoint was deleted");
  if (endpoint.disabled) return recordUndelivered(ports, delivery, "skipped", "the endpoint is disabled");
  if (endpoint.slow && !slowQueue) {
    await move(number);
    return { retry: false };
  }

  const at = ports.nowMs();
  const sending = send(ports, endpoint, delivery);
  const isSlow = await noticeSlowness(ports, endpoint, sending);
  const { retryAfter, ...response } = await sending;
  const now = ports.nowMs();
  const status = "status" in response ? response.status : 0;
  const result = classifyResponse(status);
  const attempt: DeliveryAttempt = {
    endpoint: endpoint.id,
    at,
    outcome: result === "delivered" ? "delivered" : "failed",
    milliseconds: now - at,
    ...response,
  };
  const requested = requestedDelaySeconds(status, retryAfter, Math.floor(now / 1000));
  const delaySeconds = retryDelaySeconds(number, ports.random(), requested);
  const moves = result === "failed" && delaySeconds !== undefined && !slowQueue;
  // First, because the message may be gone: a ledger hands events without a recorded attempt over again.
  if (moves) await move(number + 1, delaySeconds);
  const recorded = Promise.all([
    ports.ledgers.recordAttempt(tenant, event.id, attempt),
    updateHealth(ports.health, endpoint, result, at, isSlow, delaySeconds === undefined),
  ]);
  // What was delivered or moved is not sent again just because it could not be recorded.
  await (moves || result === "delivered" ? recorded.catch(() => undefined) : recorded);
  return { retry: result === "failed" && !moves, delaySeconds, attempt };
}

/** Records that an event will not be delivered to an endpoint, unless the operator redelivers it. */
async function recordUndelivered(
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

/** Marks a slow endpoint while the attempt goes on, so that its next deliveries already go to the other queue. */
async function noticeSlowness(
  { wait, health }: DeliverEventPorts,
  endpoint: Endpoint,
  sending: Promise<unknown>,
): Promise<boolean> {
  const isSlow = await Promise.race([sending.then(() => false), wait(SLOW_SECONDS).then(() => true)]);
  if (isSlow && !endpoint.slow) await health.markWorking(endpoint, true).catch(() => undefined);
  return isSlow;
}

/** Writes only changes of the endpoint's health, so most deliveries write nothing. */
async function updateHealth(
  health: EndpointHealth,
  endpoint: Endpoint,
  result: ReturnType<typeof classifyResponse>,
  at: number,
  isSlow: boolean,
  isLastAttempt: boolean,
): Promise<void> {
  const { failingSince } = endpoint;
  switch (result) {
    case "delivered": {
      const isChanged = isSlow ? failingSince !== undefined : endpoint.slow;
      return isChanged ? health.markWorking(endpoint, isSlow) : undefined;
    }
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
