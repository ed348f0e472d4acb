/**
 * The first 96 bits of addresses that stand for the IPv4 address in their last 32 bits: compatible and mapped (RFC 4291),
 * translated (RFC 7915) and NAT64 (RFC 6052).
 */
const EMBEDS_IPV4 = /^(?:0:0:0:0:(?:0:0|0:ffff|ffff:0)|64:ff9b:0:0:0:0)$/;

/**
 * The network that a client's address belongs to: an IPv4 address by itself, also one that is written as IPv6, and the /64 of
 * any other IPv6 address, since one household or host can send from all of it.
 *
 * @returns the same text for all notations of an address; an empty one for what is not an address
 */
export function networkOf(address: string): string {
  // `URL` normalizes addresses.
  const host = URL.parse(`http://[${address.includes(":") ? address : `::ffff:${address}`}]`)?.hostname;
  if (!host || !/^[\da-f]*[:.][\da-f:.]+$/i.test(address)) return "";
  const [head = [], tail = []] = host
    .slice(1, -1)
    .split("::")
    .map((half) => half.split(":").filter(Boolean));
  const groups = [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail];
  return (EMBEDS_IPV4.test(groups.slice(0, 6).join(":")) ? groups.slice(6) : groups.slice(0, 4)).join(":");
}

/** Whether a text is an IP address, or a range of them in CIDR notation (RFC 4632, RFC 4291). */
export function isAddressRange(text: string): boolean {
  const [address = "", bits = "0", ...others] = text.split("/");
  const mostBits = address.includes(":") ? 128 : 32;
  return (
    networkOf(address) !== "" && others.length === 0 && /^(?:0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= mostBits
  );
}
