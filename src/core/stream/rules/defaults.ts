/** Of Cloudflare's API. */
export const STREAM_API_BASE = "https://api.cloudflare.com/client/v4";
/** Hosts that Cloudflare has been seen to hand out (assumed: secondary sources; there may be others). */
export const STREAM_UPLOAD_HOSTS = "upload.videodelivery.net,upload.cloudflarestream.com";

/** Of a webhook: the one in use, and those that are being replaced. */
export const MAX_WEBHOOK_SECRETS = 3;

/** Stream's are 32 hexadecimal digits in its documentation; shorter ones than half of that could be guessed. */
export const WEBHOOK_SECRET = /^[\x21-\x2b\x2d-\x7e]{16,200}$/;
