import { LOOPBACK, mayFetch } from "../../shared/fetched-url.ts";

/**
 * Parses the upload URL in Stream's `Location`: absolute, https, without user info, on an allowed host. Some proxies add a
 * value of their own, joined by a comma: exactly one of the values must be such a URL.
 *
 * @param hosts `host`, or `host:port` for a port other than the scheme's default
 * @param allowLoopback development only: accept http on a loopback address, on any port if the host is listed without one
 */
export function parseLocation(header: string, hosts: readonly string[], allowLoopback: boolean): string | undefined {
  const candidates = header.split(/,\s*(?=[a-z][a-z0-9+.-]*:)/i).map((value) => value.trim());
  const usable = candidates.filter((value) => isUploadUrl(value, hosts, allowLoopback));
  return usable.length === 1 ? usable[0] : undefined;
}

/**
 * Matches the text and not a parsed URL, since the text is copied to a response header, and parsers repair invalid URLs. Its
 * length is bounded, since the ledger stores it.
 */
const UPLOAD_URL = /^https?:\/\/([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?(?:[/?][\x21-\x7e]{0,4000})?$/;

function isUploadUrl(value: string, hosts: readonly string[], allowLoopback: boolean): boolean {
  const url = UPLOAD_URL.exec(value);
  if (!url || !mayFetch(value, allowLoopback)) return false;
  const [, host = "", port = ""] = url;
  return hosts.includes(host + port) || (LOOPBACK.test(host) && hosts.includes(host));
}

/** Validates Stream's identifier of a video, e.g. from `stream-media-id`. The id in `Location` is another one. */
export function parseUid(header: string | null): string | undefined {
  return header !== null && /^[0-9a-f]{32}$/.test(header) ? header : undefined;
}
