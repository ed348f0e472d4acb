import type { DeliveryQueue } from "../ports/webhooks.ts";
import type { Endpoint, KeptEvent } from "./rules/delivery.ts";
import type { Registry } from "../ports/registry.ts";

export interface PublishEventsPorts {
  readonly registry: Pick<Registry, "endpoints">;
  readonly deliveries: DeliveryQueue;
  /** The oldest events that have not been handed over, with a mark of how far they go. */
  readonly unpublished: () => { readonly events: readonly KeptEvent[]; readonly last: number };
  readonly published: (last: number) => void;
}

/**
 * Hands a tenant's events to the queue, one delivery for each endpoint that wants it. What has been handed over but not
 * noted as such is handed over again: endpoints know a repetition by its `webhook-id`.
 *
 * @returns false, where it has to be tried again later
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

/** Whether an endpoint is to be told of an event. */
export function isSubscribed({ disabled, events }: Endpoint, { body }: KeptEvent): boolean {
  return !disabled && (!events || events.has(body.type));
}
