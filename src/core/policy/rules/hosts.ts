/**
 * Hostnames as Stream's `allowedorigins` takes them: no scheme, an optional port, `*.` in front for any subdomain (which
 * does not cover the domain itself); `localhost` needs its port.
 *
 * @see https://developers.cloudflare.com/stream/viewing-videos/securing-your-stream/
 */
const HOST = /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*(?::\d{1,5})?$/;
const MAX_HOST_CHARACTERS = 253;

export function isHost(text: string): boolean {
  return text.length <= MAX_HOST_CHARACTERS && HOST.test(text) && text !== "localhost";
}

/**
 * `App.acme.com, *.acme.com` → lower-case hosts; undefined where one of them is not a host, or where there is none: an
 * empty list would mean "anywhere" to Stream, and lie within any bound.
 */
export function parseHosts(text: string): readonly string[] | undefined {
  const hosts = text
    .split(",")
    .map((host) => host.trim().toLowerCase())
    .filter((host) => host !== "");
  return hosts.length > 0 && hosts.every(isHost) ? [...new Set(hosts)] : undefined;
}

/** Whether every page that `host` stands for is one that `pattern` stands for. */
export function hostMatches(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  return pattern.startsWith("*.") && host.length > pattern.length - 1 && host.endsWith(pattern.slice(1));
}

/** `https://app.acme.com`, or `https://*.acme.com` for any subdomain: what a policy's `origins` may list. */
export function originMatches(pattern: string, origin: string): boolean {
  if (pattern === origin) return true;
  const wildcard = pattern.indexOf("//*.");
  if (wildcard < 0) return false;
  const scheme = pattern.slice(0, wildcard + 2);
  return origin.startsWith(scheme) && hostMatches(pattern.slice(scheme.length), origin.slice(scheme.length));
}

/** Serialised as browsers send it: scheme and host in lower case, a port only where it is not the scheme's own. */
export const ORIGIN = /^https?:\/\/(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::\d{1,5})?$/;
