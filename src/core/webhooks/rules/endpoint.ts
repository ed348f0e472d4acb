import type { PendingEvent, QueuedDelivery, WebhookEvent } from "./delivery.ts";
import type { UploadEventType } from "./upload-event.ts";

/** A tenant's webhook endpoint. */
export interface Endpoint {
  readonly id: string;
  readonly tenant: string;
  readonly url: string;
  /** Subscribed event types; absent for all. */
  readonly events?: ReadonlySet<UploadEventType>;
  /** Signing secrets (`whsec_…`, Standard Webhooks), newest first, including replaced ones that are still valid. */
  readonly secrets: readonly string[];
  readonly disabled: boolean;
  /** Seconds since the epoch. */
  readonly created: number;
  /** Whether its last delivery failed or took long: its deliveries go to the queue for slow endpoints. */
  readonly slow: boolean;
  /** First failure since the last success; milliseconds since the epoch. */
  readonly failingSince?: number;
}

/** Every event is delivered to every endpoint, so this bounds the deliveries per event. */
export const MAX_ENDPOINTS_PER_TENANT = 10;

export function isSubscribed({ disabled, events }: Endpoint, { body }: WebhookEvent): boolean {
  return !disabled && (!events || events.has(body.type));
}

/** An event that was sent before goes only to endpoints that existed then and were never tried. */
export function isRecipient(endpoint: Endpoint, pending: PendingEvent): boolean {
  const { created = Infinity, attempted = [] } = pending;
  return endpoint.created <= created && !attempted.includes(endpoint.id) && isSubscribed(endpoint, pending.event);
}

export function deliveryTo({ tenant, id, slow }: Endpoint, event: WebhookEvent): QueuedDelivery {
  return { delivery: { tenant, endpoint: id, event }, slow };
}

/** How long a replaced secret still signs: a day to update every receiver. */
export const REPLACED_SECRET_LIFETIME_MS = 24 * 60 * 60 * 1000;
/** Secrets that sign at the same time. Each adds 48 bytes to a header. A further replacement drops the oldest. */
export const MAX_SECRETS = 3;

/** A signing secret, in the format of the Standard Webhooks specification. */
export interface EndpointSecret {
  readonly secret: string;
  /** Milliseconds since the epoch; absent for the current secret. */
  readonly expiresAt?: number;
}

/** Secrets that are valid at a time (milliseconds since the epoch), newest first. */
export function secretsAt(secrets: readonly EndpointSecret[], now: number): readonly EndpointSecret[] {
  return secrets.filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now);
}

/** Adds a new secret and lets the current one expire. Secrets that were replaced earlier keep their expiry. */
export function replaceSecret(secrets: readonly EndpointSecret[], fresh: string, now: number): EndpointSecret[] {
  const replaced = secretsAt(secrets, now).map((secret) => ({
    expiresAt: now + REPLACED_SECRET_LIFETIME_MS,
    ...secret,
  }));
  return [{ secret: fresh }, ...replaced].slice(0, MAX_SECRETS);
}
