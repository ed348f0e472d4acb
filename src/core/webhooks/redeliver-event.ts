import type { Ledgers } from "../ports/ledger.ts";
import type { CachedRegistry } from "../ports/registry.ts";
import type { DeliveryQueue } from "../ports/webhooks.ts";
import { invalidField } from "../shared/invalid-field.ts";
import { problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { errorMessage } from "../shared/text.ts";
import { deliveryTo, isSubscribed } from "./rules/endpoint.ts";

export interface RedeliverEventPorts {
  readonly registry: Pick<CachedRegistry, "uncached">;
  readonly ledgers: Pick<Ledgers, "event">;
  readonly deliveries: DeliveryQueue;
}

/** A queue is overloaded for a short time only. */
const QUEUE_RETRY_SECONDS = 5;

/**
 * Sends an event again, with the same id.
 *
 * @param endpointId the endpoint to send it to; `undefined` for all enabled endpoints that are subscribed to it
 * @returns ids of the endpoints that it was queued for
 */
export async function redeliverEvent(
  { registry, ledgers, deliveries }: RedeliverEventPorts,
  tenant: string,
  eventId: string,
  endpointId: string | undefined,
): Promise<Result<readonly string[]>> {
  const [stored, endpoints] = await Promise.all([ledgers.event(tenant, eventId), registry.uncached.endpoints(tenant)]);
  if (!stored.ok) return stored;
  if (!endpoints.ok) return endpoints;
  if (!stored.value) return err(problem("not_found", "There is no such event."));
  const { id, body } = stored.value;
  const event = { id, body };

  const requested =
    endpointId === undefined ? undefined : endpoints.value.find((endpoint) => endpoint.id === endpointId);
  if (endpointId !== undefined && !requested) return invalidField("endpoint", `there is no "${endpointId}"`);
  const targets = requested
    ? [requested].filter(({ disabled }) => !disabled)
    : endpoints.value.filter((endpoint) => isSubscribed(endpoint, event));
  if (targets.length === 0) return err(problem("conflict", "No enabled endpoint is subscribed to this event type."));

  try {
    await deliveries.send(targets.map((endpoint) => deliveryTo(endpoint, event)));
  } catch (error) {
    return err(
      problem("queue_unavailable", "The queue did not accept the event.", {
        facts: { reason: errorMessage(error) },
        retryAfterSeconds: QUEUE_RETRY_SECONDS,
      }),
    );
  }
  return ok(targets.map((endpoint) => endpoint.id));
}
