import { LOOPBACK } from "../../shared/safe-url.ts";

/** Rules of a tenant's webhooks. */

/** Each event is delivered to each of them, so this is what an upload may cost at most. */
export const MAX_ENDPOINTS_PER_TENANT = 10;

/** How long a replaced secret still signs: a day to bring the new one to every receiver. */
export const REPLACED_SECRET_LIFETIME_MS = 24 * 60 * 60 * 1000;
/** That sign at once; each adds 48 bytes to a header. Whoever replaces more within a day loses the oldest. */
export const MAX_SECRETS = 3;

/** A signing secret, as the Standard Webhooks specification writes it. */
export interface EndpointSecret {
  readonly secret: string;
  /** Milliseconds since the epoch; absent for the one that is not being replaced. */
  readonly expiresAt?: number;
}

/** Those that sign, the newest first. */
export function secretsAt(secrets: readonly EndpointSecret[], now: number): readonly EndpointSecret[] {
  return secrets.filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now);
}

/** The secrets after a replacement. Those that are being replaced already keep their time. */
export function replaceSecret(secrets: readonly EndpointSecret[], fresh: string, now: number): EndpointSecret[] {
  const replaced = secretsAt(secrets, now).map((one) => ({
    expiresAt: now + REPLACED_SECRET_LIFETIME_MS,
    ...one,
  }));
  return [{ secret: fresh }, ...replaced].slice(0, MAX_SECRETS);
}

/** As it is written, without a parser's mending: printable ASCII, a host at once, and no `@` before it. */
const WRITTEN_URL = /^https?:\/\/(?=[\x21-\x7e]{1,1000}$)[^/?#@\\]+(?:[/?#][^\\]*)?$/;
/** At the end of names that only a network of one's own, or one's own machine, resolves. RFC 6761, 6762, 8375 and custom. */
const LOCAL_NAMES =
  /(?:^|\.)(?:localhost|local|localdomain|internal|intranet|private|corp|home|lan|arpa|test|invalid|onion)$/;
/** As `URL.hostname` has it: two labels or more, the last of which is no number. */
const PUBLIC_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/;

/**
 * Whether events may be sent to this URL: https on its own port, without user info, to a public name. `URL` writes every
 * form of an IPv4 address (`0x7f.1`, `2130706433`, `①②⑦.1`) in dotted decimals, which are no name. What a name resolves to
 * is not known here; Cloudflare's network refuses private addresses itself.
 *
 * @param allowLoopback for development: loopback as well, on any port, also by http
 */
export function isEndpointUrl(text: string, allowLoopback: boolean): boolean {
  const url = WRITTEN_URL.test(text) && URL.parse(text);
  if (!url) return false;
  if (allowLoopback && LOOPBACK.test(url.hostname)) return true;
  const isHttpsPort = url.protocol === "https:" && url.host === url.hostname;
  return isHttpsPort && PUBLIC_NAME.test(url.hostname) && !LOCAL_NAMES.test(url.hostname);
}
