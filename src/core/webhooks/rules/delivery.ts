import type { UploadEventBody, UploadEventType } from "./upload-event.ts";

/** A tenant's webhook. */
export interface Endpoint {
  readonly id: string;
  readonly tenant: string;
  readonly url: string;
  /** Undefined: all. */
  readonly events?: ReadonlySet<UploadEventType>;
  /** As the Standard Webhooks specification writes them, `whsec_…`: the newest first, and those that are being replaced. */
  readonly secrets: readonly string[];
  readonly disabled: boolean;
  /** Milliseconds since the epoch, of the first failure since the last success. */
  readonly failingSince?: number;
}

/** An event of an upload, kept for its tenant's endpoints. */
export interface KeptEvent {
  /** The `webhook-id` of its deliveries. */
  readonly id: string;
  readonly body: UploadEventBody;
}
export interface EventQuery {
  readonly cursor?: string;
  readonly limit: number;
}

/** The newest first. */
export interface EventPage {
  readonly events: readonly KeptEvent[];
  readonly cursor?: string;
}

/** One attempt to deliver an event to an endpoint. */
export interface Attempt {
  readonly endpoint: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** `exhausted`: all attempts are used up; `skipped`: the endpoint is deleted or disabled. */
  readonly outcome: "delivered" | "failed" | "exhausted" | "skipped";
  /** What the endpoint answered, if it did. */
  readonly status?: number;
  /** Why it failed, in a few words. */
  readonly reason?: string;
  readonly milliseconds?: number;
}

/** An event on its way to one endpoint, as the queue carries it. */
export interface Delivery {
  readonly tenant: string;
  readonly endpoint: string;
  readonly event: KeptEvent;
}

/** The status that an endpoint answered with, or why there is none. */
export type WebhookAnswer = { readonly status: number } | { readonly reason: string };
