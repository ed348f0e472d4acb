import type { CachedRegistry } from "../ports/registry.ts";
import type { DeliveryQueue } from "../ports/webhooks.ts";
import type { PendingEvent } from "./rules/delivery.ts";
import { deliveryTo, isRecipient } from "./rules/endpoint.ts";

export interface PublishEventsPorts<E extends PendingEvent> {
  readonly registry: Pick<CachedRegistry, "uncached">;
  readonly deliveries: DeliveryQueue;
  /** The oldest events that have to be sent to the queue. */
  readonly pending: () => readonly E[];
  /** Marks these events as sent. @param withRecipients those that were sent to an endpoint */
  readonly done: (events: readonly E[], withRecipients: readonly E[]) => void;
}

/**
 * Sends a tenant's pending events to the queue, one delivery per endpoint. Events that were sent but not marked as sent are sent
 * again; endpoints recognize duplicates by `webhook-id`.
 *
 * @returns `false` if the registry or the queue failed: call it again later
 */
export async function publishEvents<E extends PendingEvent>(
  ports: PublishEventsPorts<E>,
  tenant: string,
): Promise<boolean> {
  for (;;) {
    const pending = ports.pending();
    if (pending.length === 0) return true;
    const endpoints = await ports.registry.uncached.endpoints(tenant);
    if (!endpoints.ok) return false;
    const withRecipients: E[] = [];
    const deliveries = pending.flatMap((one) => {
      const recipients = endpoints.value.filter((endpoint) => isRecipient(endpoint, one));
      if (recipients.length > 0) withRecipients.push(one);
      return recipients.map((endpoint) => deliveryTo(endpoint, one.event));
    });
    try {
      if (deliveries.length > 0) await ports.deliveries.send(deliveries);
    } catch {
      return false;
    }
    ports.done(pending, withRecipients);
  }
}
