/** Every URL that the gateway fetches, or that it registers with Stream, is judged here. */

/** The text of a URL before `URL` repairs it: printable ASCII, a host right after `//`, no user info, no backslash. */
const WRITTEN_URL = /^https?:\/\/(?=[\x21-\x7e]+$)[^/?#@\\]+(?:[/?#][^\\]*)?$/;

/** Of a URL in a document or a setting. */
const MAX_CHARACTERS = 1_000;

/** A `URL.hostname` of two or more labels, whose last one does not begin with a digit. */
const PUBLIC_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Top-level names that are not in the public DNS, or only describe networks. The first line is IANA's registry of special-use
 * domain names without `example`, which documents and tests use and which leads nowhere. The second line is ICANN's name for
 * private use (2024), RFC 6762 appendix G, and other names of company and home networks. The third line is what resolvers and
 * orchestrators use inside a network. None of them is a delegated top-level domain but `arpa`, which is for infrastructure.
 *
 * @see https://www.iana.org/assignments/special-use-domain-names/special-use-domain-names.xhtml
 */
const PRIVATE_NAME = new RegExp(
  "\\.(?:alt|arpa|invalid|local|localhost|onion|test" +
    "|internal|corp|home|intranet|lan|mail|private|localdomain|localnet|dhcp|router|intra|workgroup" +
    "|cluster|consul|docker|incus|k8s|kube|lxd|mesh|mesos|nomad|novalocal|openstacklocal|pod|podman|rancher|svc|swarm|vagrant)$",
);

/** Matches `URL.hostname`. */
export const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * Whether the gateway may fetch this URL: https, a public name, no user info. Addresses are refused, also public ones, which
 * Workers cannot fetch; `URL` converts every form of an IPv4 address (`0x7f.1`, `2130706433`, `①②⑦.1`) to dotted decimals,
 * which are not a name. The name is not resolved here; Cloudflare's network refuses private addresses itself.
 *
 * @param allowLoopback for development: also accepts loopback hosts, with http or https
 */
export function mayFetch(text: string, allowLoopback: boolean): boolean {
  const url = URL.parse(text);
  if (!url || url.username || url.password) return false;
  if (allowLoopback && LOOPBACK.test(url.hostname)) return /^https?:$/.test(url.protocol);
  return url.protocol === "https:" && PUBLIC_NAME.test(url.hostname) && !PRIVATE_NAME.test(url.hostname);
}

/** Whether a document or a setting may hold this URL: one that may be fetched, and that no parser has to repair. */
export function isFetchableUrl(text: string, allowLoopback: boolean, maxCharacters = MAX_CHARACTERS): boolean {
  return text.length <= maxCharacters && WRITTEN_URL.test(text) && mayFetch(text, allowLoopback);
}

/** The same for a tenant's endpoint, which must use the default port, so that events cannot reach other services of a host. */
export function isEndpointUrl(text: string, allowLoopback: boolean): boolean {
  const url = URL.parse(text);
  if (!url || !isFetchableUrl(text, allowLoopback)) return false;
  return url.host === url.hostname || LOOPBACK.test(url.hostname);
}
