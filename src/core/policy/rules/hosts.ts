/**
 * Host names as Stream's `allowedorigins` accepts them: no scheme, an optional port, a leading `*.` for any subdomain
 * (which does not match the domain itself); `localhost` needs its port.
 *
 * @see https://developers.cloudflare.com/stream/viewing-videos/securing-your-stream/
 */
const HOST = /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*(?::\d{1,5})?$/;
const MAX_HOST_CHARACTERS = 253;

export function isHost(text: string): boolean {
  return text.length <= MAX_HOST_CHARACTERS && HOST.test(text) && text !== "localhost";
}

/**
 * Parses a list such as `App.acme.com, *.acme.com` into lower-case host names.
 *
 * @returns `undefined` if one of them is not a host name, or if there is none: Stream reads an empty list as "anywhere",
 *   and it would satisfy every `within`
 */
export function parseHosts(text: string): readonly string[] | undefined {
  const hosts = text
    .split(",")
    .map((host) => host.trim().toLowerCase())
    .filter((host) => host !== "");
  return hosts.length > 0 && hosts.every(isHost) ? [...new Set(hosts)] : undefined;
}

/** Whether `pattern` matches every page that `host`, which may have a wildcard too, matches. */
export function hostMatches(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  return pattern.startsWith("*.") && host.length > pattern.length - 1 && host.endsWith(pattern.slice(1));
}

/** @param pattern an entry of a policy's `origins`: `https://app.acme.com`, or `https://*.acme.com` for any subdomain */
export function originMatches(pattern: string, origin: string): boolean {
  if (pattern === origin) return true;
  const wildcard = pattern.indexOf("//*.");
  if (wildcard < 0) return false;
  const scheme = pattern.slice(0, wildcard + 2);
  return origin.startsWith(scheme) && hostMatches(pattern.slice(scheme.length), origin.slice(scheme.length));
}

/** Whether a list of origins has one that another list has, too. */
export function originsMeet(a: readonly string[], b: readonly string[]): boolean {
  return a.some((origin) => b.some((other) => originMatches(origin, other) || originMatches(other, origin)));
}

/** Serialised as browsers send it: scheme and host in lower case, a port only if it is not the scheme's default. */
export const ORIGIN = /^https?:\/\/(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::\d{1,5})?$/;
