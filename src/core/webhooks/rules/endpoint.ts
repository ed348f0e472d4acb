import { LOOPBACK } from "../../shared/safe-url.ts";
import type { WebhookEvent } from "./delivery.ts";
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
  /** First failure since the last success; milliseconds since the epoch. */
  readonly failingSince?: number;
}

/** Every event is delivered to every endpoint, so this bounds the deliveries per event. */
export const MAX_ENDPOINTS_PER_TENANT = 10;

export function isSubscribed({ disabled, events }: Endpoint, { body }: WebhookEvent): boolean {
  return !disabled && (!events || events.has(body.type));
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

/** Checks the text before `URL` normalizes it: printable ASCII, a host right after `//`, no user info, no backslash. */
const WRITTEN_URL = /^https?:\/\/(?=[\x21-\x7e]{1,1000}$)[^/?#@\\]+(?:[/?#][^\\]*)?$/;
/** Suffixes that only resolve in a private network or on the machine itself. RFC 6761, 6762, 8375 and custom. */
const LOCAL_NAMES =
  /(?:^|\.)(?:localhost|local|localdomain|internal|intranet|private|corp|home|lan|arpa|test|invalid|onion)$/;
/** A `URL.hostname` of two or more labels, whose last one does not begin with a digit. */
const PUBLIC_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/;

/**
 * Whether events may be sent to this URL: https on the default port, no user info, a public name. `URL` converts every form
 * of an IPv4 address (`0x7f.1`, `2130706433`, `①②⑦.1`) to dotted decimals, which are not a name. The name is not resolved
 * here; Cloudflare's network rejects private addresses itself.
 *
 * @param allowLoopback for development: also accepts loopback hosts, on any port, with http or https
 */
export function isEndpointUrl(text: string, allowLoopback: boolean): boolean {
  const url = WRITTEN_URL.test(text) && URL.parse(text);
  if (!url) return false;
  if (allowLoopback && LOOPBACK.test(url.hostname)) return true;
  const isHttpsPort = url.protocol === "https:" && url.host === url.hostname;
  return isHttpsPort && PUBLIC_NAME.test(url.hostname) && !LOCAL_NAMES.test(url.hostname);
}
