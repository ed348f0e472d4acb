import type { Delivery, Endpoint, KeptEvent, WebhookAnswer } from "../webhooks/rules/delivery.ts";

/** Carries events to the consumer that delivers them: at least once, in any order. */
export interface DeliveryQueue {
  send(deliveries: readonly Delivery[]): Promise<void>;
}

/** Sends an event to an endpoint, signed with all of its secrets. */
export interface Webhooks {
  send(endpoint: Endpoint, event: KeptEvent): Promise<WebhookAnswer>;
}

/** What deliveries have shown of an endpoint. Each counts only for the URL that it was seen with. */
export interface EndpointHealth {
  /** @param since milliseconds since the epoch; an earlier failure counts on */
  failing(endpoint: Endpoint, since: number): Promise<void>;
  recovered(endpoint: Endpoint): Promise<void>;
  /** It gets nothing any more until the operator puts it anew. */
  disable(endpoint: Endpoint, reason: string): Promise<void>;
}
