import { LOOPBACK } from "../../shared/safe-url.ts";

/**
 * The upload URL in Stream's `Location`: absolute, https, without user info, on an allowed host. The header may hold two
 * values joined by a comma (seen with proxies that add their own); it counts if exactly one of them is such a URL.
 *
 * @param hosts `host`, or `host:port` where it is not the scheme's own
 * @param allowLoopback for development: http on a loopback address, any port where the host is listed without one
 */
export function parseLocation(header: string, hosts: readonly string[], allowLoopback: boolean): string | undefined {
  const candidates = header.split(/,\s*(?=[a-z][a-z0-9+.-]*:)/i).map((value) => value.trim());
  const usable = candidates.filter((value) => isUploadUrl(value, hosts, allowLoopback));
  return usable.length === 1 ? usable[0] : undefined;
}

/**
 * As it is written, and not only after a parser's mending: it goes into a header of ours as it is. The host ends at the path;
 * so no user info can stand before it.
 */
const UPLOAD_URL = /^(https?):\/\/([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?(?:[/?][\x21-\x7e]*)?$/;

function isUploadUrl(value: string, hosts: readonly string[], allowLoopback: boolean): boolean {
  const url = UPLOAD_URL.exec(value);
  if (!url) return false;
  const [, scheme, host = "", port = ""] = url;
  const local = allowLoopback && LOOPBACK.test(host);
  if (scheme !== "https" && !local) return false;
  return hosts.includes(host + port) || (local && hosts.includes(host));
}

/** Stream's identifier of a video, from `stream-media-id`; `Location` carries another one. */
export function parseUid(header: string | null): string | undefined {
  return header !== null && /^[0-9a-f]{32}$/.test(header) ? header : undefined;
}
