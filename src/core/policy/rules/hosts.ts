/**
 * Host names as Stream's `allowedorigins` accepts them: no scheme, an optional port, a leading `*.` for any subdomain
 * (which does not match the domain itself); `localhost` needs its port.
 *
 * @see https://developers.cloudflare.com/stream/viewing-videos/securing-your-stream/
 */
const HOST = /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*(?::\d{1,5})?$/;
const MAX_HOST_CHARACTERS = 253;

const MAX_PORT = 65_535;

export const HOST_EXPECTED = "must be a host in lower case without a scheme; localhost needs its port";

export function isHost(text: string): boolean {
  const [, port = "0"] = text.split(":");
  const isPort = Number(port) <= MAX_PORT && String(Number(port)) === port;
  return text.length <= MAX_HOST_CHARACTERS && HOST.test(text) && text !== "localhost" && isPort;
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

/**
 * Whether a host or an origin is the one that `pattern` names, or is below it: `*.acme.com` and `https://*.acme.com` stand for any
 * subdomain. `text` may have a wildcard, too: then all that it stands for.
 */
export function matchesWildcard(pattern: string, text: string): boolean {
  const [start = "", end] = pattern.split("*");
  return end === undefined
    ? pattern === text
    : text.length >= pattern.length && text.startsWith(start) && text.endsWith(end);
}

/** Whether a list of origins has one that another list has, too. */
export function originsMeet(a: readonly string[], b: readonly string[]): boolean {
  return a.some((origin) => b.some((other) => matchesWildcard(origin, other) || matchesWildcard(other, origin)));
}

/** Sent by pages without an origin of their own: sandboxed ones, those of `file:` and `data:`, and after some redirects. */
export const NULL_ORIGIN = "null";

/** A name of labels, of more than one perhaps with a dot at the end, or an IPv6 address; and a port. */
const ORIGIN_HOST = /^(?:\[[\da-f:]+\]|[\w-]{1,63}(?:(?:\.[\w-]{1,63})+\.?)?)(?::\d+)?$/;

/** Of apps built with Electron, whose pages are `app://./index.html`, and of pages of `file:` in Android's WebView. */
const OTHER_ORIGINS: ReadonlySet<string> = new Set(["app://.", "file://"]);

/** Schemes of no page, or of pages that send `null`. */
const WITHOUT_ORIGIN = /^(?:blob|data|file|ftp|wss?):/;

/**
 * Whether a browser or an app shell can send this text as `Origin`: a scheme and a host as URLs serialise them (lower case,
 * punycode, no default port), or `null`. A leading `*.` stands for any subdomain.
 *
 * @see https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
 */
export function isOrigin(text: string): boolean {
  const origin = text.replace("//*.", "//any.");
  const url = URL.parse(origin);
  if (!url) return text === NULL_ORIGIN;
  const { protocol, host, hostname } = url;
  const isSerialized = `${protocol}//${host}` === origin && hostname.length <= MAX_HOST_CHARACTERS;
  return OTHER_ORIGINS.has(text) || (isSerialized && ORIGIN_HOST.test(host) && !WITHOUT_ORIGIN.test(protocol));
}

export const ORIGIN_EXPECTED = "must be an origin as it is sent, such as https://app.acme.com or https://*.acme.com";
