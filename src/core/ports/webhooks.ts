import type { Delivery, WebhookEvent, WebhookResponse } from "../webhooks/rules/delivery.ts";
import type { Endpoint } from "../webhooks/rules/endpoint.ts";

/** The queue between the ledgers and `deliverEvent`: at least once, in any order. */
export interface DeliveryQueue {
  send(deliveries: readonly Delivery[]): Promise<void>;
}

/** The HTTP client for endpoints; signs an event with all secrets of its endpoint. */
export interface Webhooks {
  send(endpoint: Endpoint, event: WebhookEvent): Promise<WebhookResponse>;
}

/** Health of endpoints, as observed by deliveries. A change has no effect if the endpoint's URL has changed since. */
export interface EndpointHealth {
  /** @param since milliseconds since the epoch; an earlier stored failure is kept */
  markFailing(endpoint: Endpoint, since: number): Promise<void>;
  markRecovered(endpoint: Endpoint): Promise<void>;
  /** Stops deliveries to the endpoint until the operator enables it again. */
  disable(endpoint: Endpoint, reason: string): Promise<void>;
}
