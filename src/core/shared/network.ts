/** The first 96 bits of addresses that stand for the IPv4 address in their last 32 bits: mapped (RFC 4291), NAT64 (RFC 6052). */
const EMBEDS_IPV4 = /^(?:0:0:0:0:0:ffff|64:ff9b:0:0:0:0)$/;

/**
 * The network that a client's address belongs to: an IPv4 address by itself, also one that is written as IPv6, and the /64 of
 * any other IPv6 address, since one household or host can send from all of it.
 *
 * @returns the same text for all notations of an address; an empty one for what is not an address
 */
export function networkOf(address: string): string {
  // `URL` normalizes both families.
  const host = URL.parse(`http://${address.includes(":") ? `[${address}]` : address}`)?.hostname ?? "";
  if (!/^[\da-f:.]+$/i.test(address) || !/^[\d[]/.test(host)) return "";
  if (!host.startsWith("[")) return host;
  const [head = [], tail = []] = host
    .slice(1, -1)
    .split("::")
    .map((half) => half.split(":").filter(Boolean));
  const groups = [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail];
  if (!EMBEDS_IPV4.test(groups.slice(0, 6).join(":"))) return `${groups.slice(0, 4).join(":")}::/64`;
  const hexadecimal = groups.slice(6).map((group) => group.padStart(4, "0"));
  return URL.parse(`http://0x${hexadecimal.join("")}`)?.hostname ?? "";
}
