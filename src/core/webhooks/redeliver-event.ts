import { problem } from "../shared/problem.ts";
import { errorMessage } from "../shared/text.ts";
import { type Result, ok, err } from "../shared/result.ts";
import type { DeliveryQueue } from "../ports/webhooks.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { CachedRegistry } from "../ports/registry.ts";
import { isSubscribed } from "./publish-events.ts";

export interface RedeliverEventPorts {
  readonly registry: Pick<CachedRegistry, "uncached">;
  readonly ledgers: Pick<Ledgers, "event">;
  readonly deliveries: DeliveryQueue;
}

/** A queue that is overloaded is there again in a moment. */
const QUEUE_RETRY_SECONDS = 5;

/**
 * Sends an event once more, under its own id.
 *
 * @param only the one endpoint to send it to; otherwise all that want events of its type
 * @returns the ids of the endpoints it is on its way to
 */
export async function redeliverEvent(
  { registry, ledgers, deliveries }: RedeliverEventPorts,
  tenant: string,
  eventId: string,
  only: string | undefined,
): Promise<Result<readonly string[]>> {
  const [found, endpoints] = await Promise.all([ledgers.event(tenant, eventId), registry.uncached.endpoints(tenant)]);
  if (!found.ok) return found;
  if (!endpoints.ok) return endpoints;
  if (!found.value) return err(problem("not_found", "There is no such event."));
  const { id, body } = found.value;
  const event = { id, body };

  const named = only === undefined ? undefined : endpoints.value.find((endpoint) => endpoint.id === only);
  if (only !== undefined && !named)
    return err(problem("body_invalid", `endpoint: there is no "${only}".`, { key: "endpoint" }));
  const targets = named
    ? [named].filter(({ disabled }) => !disabled)
    : endpoints.value.filter((endpoint) => isSubscribed(endpoint, event));
  if (targets.length === 0) return err(problem("conflict", "No endpoint that is enabled wants this event."));

  try {
    await deliveries.send(targets.map((endpoint) => ({ tenant, endpoint: endpoint.id, event })));
  } catch (error) {
    return err(
      problem("queue_unavailable", "The event cannot be sent at the moment.", {
        facts: { reason: errorMessage(error) },
        retryAfterSeconds: QUEUE_RETRY_SECONDS,
      }),
    );
  }
  return ok(targets.map((endpoint) => endpoint.id));
}
