import { BlockList, isIP } from "node:net";

/** A rule of a playback token. [C] */
export interface AccessRule {
  readonly type: "any" | "ip.src" | "ip.geoip.country";
  readonly action: "allow" | "block";
  /** ISO 3166-1 alpha-2. */
  readonly country?: readonly string[];
  /** Addresses, and ranges in CIDR notation. */
  readonly ip?: readonly string[];
}

export interface Viewer {
  readonly ip: string;
  readonly country: string;
}

/** "If a rule matches, the associated action is applied and no further rules are evaluated." [C] Whom none matches is let in. [U] */
export function admits(rules: readonly AccessRule[], viewer: Viewer): boolean {
  return rules.find((rule) => matches(rule, viewer))?.action !== "block";
}

function matches({ type, country = [], ip = [] }: AccessRule, viewer: Viewer): boolean {
  switch (type) {
    case "any":
      return true;
    case "ip.geoip.country":
      return country.includes(viewer.country);
    case "ip.src":
      return isAmong(viewer.ip, ip);
    default:
      return type satisfies never;
  }
}

function isAmong(address: string, ranges: readonly string[]): boolean {
  const list = new BlockList();
  const family = (text: string) => (isIP(text) === 6 ? "ipv6" : "ipv4");
  for (const range of ranges) {
    const [network = "", prefix] = range.split("/");
    if (prefix === undefined) list.addAddress(network, family(network));
    else list.addSubnet(network, Number(prefix), family(network));
  }
  return list.check(address, family(address));
}
