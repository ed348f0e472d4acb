/**
 * One rule of a playback token: which viewers it lets in, or keeps out. The first rule that matches a viewer decides; whom no rule
 * matches is let in.
 *
 * @see https://developers.cloudflare.com/stream/viewing-videos/securing-your-stream/#accessrules-schema
 */
export interface AccessRule {
  readonly type: "any" | "ip.src" | "ip.geoip.country";
  readonly action: "allow" | "block";
  /** ISO 3166-1 alpha-2, with the type `ip.geoip.country`. */
  readonly country?: readonly string[];
  /** Addresses and ranges in CIDR notation, with the type `ip.src`. */
  readonly ip?: readonly string[];
}

/** Stream: "A token may have at most 5 members in the accessRules array." */
export const MAX_ACCESS_RULES = 5;

/**
 * Rules that let in only viewers whom both lists let in. What follows an `allow` does not count for the viewers that it lets in, so
 * rules that only block are put before the first `allow`, and otherwise after the other rules.
 *
 * @returns `undefined` if both have an `allow`, as no list of rules says "both", or if they are more than a token takes
 */
export function narrowAccessRules(
  rules: readonly AccessRule[],
  by: readonly AccessRule[],
): readonly AccessRule[] | undefined {
  const isAllow = ({ action }: AccessRule) => action === "allow";
  const firstAllow = rules.findIndex(isAllow);
  if (rules.length + by.length > MAX_ACCESS_RULES || (firstAllow >= 0 && by.some(isAllow))) return undefined;
  const end = firstAllow < 0 ? rules.length : firstAllow;
  return [...rules.slice(0, end), ...by, ...rules.slice(end)];
}
