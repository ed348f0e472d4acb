export const STREAM_API_BASE = "https://api.cloudflare.com/client/v4";
/** Hosts seen in Stream's upload URLs (assumed: secondary sources; there may be others). */
export const STREAM_UPLOAD_HOSTS = "upload.videodelivery.net,upload.cloudflarestream.com";

/** Webhook secrets per upstream: the current one and previous ones. */
export const MAX_WEBHOOK_SECRETS = 3;

/** Printable ASCII without a comma. Stream's secrets have 32 hexadecimal digits in its documentation; fewer than 16 could be guessed. */
export const WEBHOOK_SECRET = /^[\x21-\x2b\x2d-\x7e]{16,200}$/;
