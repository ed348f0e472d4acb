import type { UploadEventBody } from "./upload-event.ts";

/** An upload event, stored for the tenant's endpoints. */
export interface WebhookEvent {
  /** The `webhook-id` of its deliveries. */
  readonly id: string;
  readonly body: UploadEventBody;
}

export interface EventQuery {
  /** From the previous page. */
  readonly cursor?: string;
  readonly limit: number;
}

/** Newest events first. */
export interface EventPage {
  readonly events: readonly WebhookEvent[];
  /** Absent on the last page. */
  readonly cursor?: string;
}

/** An event for one endpoint, as a queue message. */
export interface Delivery {
  readonly tenant: string;
  readonly endpoint: string;
  readonly event: WebhookEvent;
}

/** One attempt to deliver an event to an endpoint. */
export interface DeliveryAttempt {
  readonly endpoint: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** `exhausted`: all attempts are used up; `skipped`: the endpoint is deleted or disabled. */
  readonly outcome: "delivered" | "failed" | "exhausted" | "skipped";
  /** HTTP status of the endpoint's response, if there was one. */
  readonly status?: number;
  /** Why there was no response, in a few words. */
  readonly reason?: string;
  /** Duration of the request. */
  readonly milliseconds?: number;
}

/** The endpoint's HTTP status, or why there was no response. */
export type WebhookResponse = { readonly status: number } | { readonly reason: string };
