/**
 * Length of Cloudflare's block after the request limit is exceeded. Upper bound for every `Retry-After` and
 * `X-RateLimit-Reset`, and the default without one.
 */
export const MAX_RETRY_AFTER_SECONDS = 300;

/**
 * Reads `Retry-After` or `X-RateLimit-Reset` in seconds, at most `MAX_RETRY_AFTER_SECONDS`. HTTP dates are not supported:
 * Cloudflare sends seconds.
 *
 * @returns `undefined` if the header is absent or has another form
 */
export function parseRetryAfter(header: string | null | undefined): number | undefined {
  return header && /^\d{1,6}$/.test(header) ? Math.min(Number(header), MAX_RETRY_AFTER_SECONDS) : undefined;
}
