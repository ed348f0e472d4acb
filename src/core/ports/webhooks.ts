import type { QueuedDelivery, WebhookEvent, WebhookResponse } from "../webhooks/rules/delivery.ts";
import type { Endpoint } from "../webhooks/rules/endpoint.ts";

/** The two queues between the ledgers and `deliverEvent`: at least once, in any order. */
export interface DeliveryQueue {
  send(deliveries: readonly QueuedDelivery[]): Promise<void>;
}

/** The HTTP client for endpoints; signs an event with all secrets of its endpoint. */
export interface Webhooks {
  send(endpoint: Endpoint, event: WebhookEvent): Promise<WebhookResponse>;
}

/** Health of endpoints, as observed by deliveries. A change has no effect if the endpoint's URL has changed since. */
export interface EndpointHealth {
  /** @param since milliseconds since the epoch; an earlier stored failure is kept */
  markFailing(endpoint: Endpoint, since: number): Promise<void>;
  /** It is not failing. @param slow whether it takes long to answer */
  markWorking(endpoint: Endpoint, slow: boolean): Promise<void>;
  /** Stops deliveries to the endpoint until the operator enables it again. */
  disable(endpoint: Endpoint, reason: string): Promise<void>;
}
