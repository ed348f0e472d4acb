import type { AccountMaxima } from "./upstream.ts";

export const STREAM_API_BASE = "https://api.cloudflare.com/client/v4";
/** Hosts seen in Stream's upload URLs (assumed: secondary sources; there may be others). */
export const STREAM_UPLOAD_HOSTS = "upload.videodelivery.net,upload.cloudflarestream.com";

/**
 * Stream's limits of 30 GB per file and 10 hours per video, which Cloudflare raises on request. (Assumed: decimal gigabytes.)
 *
 * @see https://developers.cloudflare.com/stream/faq/
 */
export const USUAL_MAXIMA: AccountMaxima = { maxUploadBytes: 30_000_000_000, maxVideoSeconds: 36_000 };

/** Bounds of the settings: the largest exact number, and the largest number that `maxdurationseconds` is parsed as. */
export const ANY_ACCOUNT: AccountMaxima = { maxUploadBytes: Number.MAX_SAFE_INTEGER, maxVideoSeconds: 999_999_999 };

/** Webhook secrets per upstream: the current one and previous ones. */
export const MAX_WEBHOOK_SECRETS = 3;

/** Printable ASCII without a comma. Stream's secrets have 32 hexadecimal digits in its documentation; fewer than 16 could be guessed. */
export const WEBHOOK_SECRET = /^[\x21-\x2b\x2d-\x7e]{16,200}$/;
