/** Matches `URL.hostname`. */
export const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether secrets may be sent to this URL: https without user info, or http to loopback in development. */
export function isSafeUrl(text: string, allowLoopback: boolean): boolean {
  const url = URL.parse(text);
  if (!url || url.username || url.password) return false;
  return url.protocol === "https:" || (allowLoopback && url.protocol === "http:" && LOOPBACK.test(url.hostname));
}
