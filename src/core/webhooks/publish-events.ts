import type { Registry } from "../ports/registry.ts";
import type { DeliveryQueue } from "../ports/webhooks.ts";
import type { WebhookEvent } from "./rules/delivery.ts";
import { isSubscribed } from "./rules/endpoint.ts";

export interface PublishEventsPorts {
  readonly registry: Pick<Registry, "endpoints">;
  readonly deliveries: DeliveryQueue;
  /** The oldest unpublished events, and the number of the last one. */
  readonly unpublished: () => { readonly events: readonly WebhookEvent[]; readonly last: number };
  /** Marks all events up to this number as published. */
  readonly published: (last: number) => void;
}

/**
 * Sends a tenant's unpublished events to the queue, one delivery per subscribed endpoint. Events that were sent but not
 * marked as published are sent again; endpoints recognize duplicates by `webhook-id`.
 *
 * @returns `false` if the registry or the queue failed: call it again later
 */
export async function publishEvents(ports: PublishEventsPorts, tenant: string): Promise<boolean> {
  for (;;) {
    const { events, last } = ports.unpublished();
    if (events.length === 0) return true;
    const endpoints = await ports.registry.endpoints(tenant);
    if (!endpoints.ok) return false;
    const deliveries = events.flatMap((event) =>
      endpoints.value
        .filter((endpoint) => isSubscribed(endpoint, event))
        .map((endpoint) => ({ tenant, endpoint: endpoint.id, event })),
    );
    try {
      if (deliveries.length > 0) await ports.deliveries.send(deliveries);
    } catch {
      return false;
    }
    ports.published(last);
  }
}
