import type { UploadEventBody } from "./upload-event.ts";

/** An upload event, stored for the tenant's endpoints. */
export interface WebhookEvent {
  /** The `webhook-id` of its deliveries. */
  readonly id: string;
  readonly body: UploadEventBody;
}

/** An event that has to be sent to the queue. */
export interface PendingEvent {
  readonly event: WebhookEvent;
  /** If it was sent before: when it was stored, in seconds since the epoch. */
  readonly created?: number;
  /** If it was sent before: the ids of the endpoints with an attempt. */
  readonly attempted?: readonly string[];
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
  /** Number of the attempt that the message was sent for, from 1; absent: 1. The queue counts from there. */
  readonly attempt?: number;
}

/** A delivery, and the queue that it goes to. */
export interface QueuedDelivery {
  readonly delivery: Delivery;
  /** Whether it goes to the queue for slow endpoints. */
  readonly slow: boolean;
  readonly delaySeconds?: number;
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

/** The endpoint's HTTP status and its `Retry-After` header, or why there was no response. */
export type WebhookResponse =
  | { readonly status: number; readonly retryAfter?: string }
  | { readonly reason: string; readonly retryAfter?: never };
