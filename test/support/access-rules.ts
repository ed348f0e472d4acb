import fc from "fast-check";
import { type AccessRule, MAX_ACCESS_RULES } from "../../src/core/policy/rules/access-rules.ts";

/** Access rules of playback tokens, and the viewers that they let in. */

export const any = (action: AccessRule["action"]): AccessRule => ({ type: "any", action });
export const from = (action: AccessRule["action"], ...country: string[]): AccessRule => ({
  type: "ip.geoip.country",
  action,
  country,
});
export const at = (action: AccessRule["action"], ...ip: string[]): AccessRule => ({ type: "ip.src", action, ip });

const COUNTRIES = ["DE", "FR", "US"];
const ADDRESSES = ["192.0.2.1", "192.0.2.2"];
export const VIEWERS = COUNTRIES.flatMap((country) => ADDRESSES.map((ip) => ({ country, ip })));

/** As Stream documents it: the first rule that matches decides. */
export function letsIn(rules: readonly AccessRule[], viewer: { country: string; ip: string }): boolean {
  const rule = rules.find(
    ({ type, country, ip }) => type === "any" || country?.includes(viewer.country) || ip?.includes(viewer.ip),
  );
  return rule?.action !== "block";
}

const action = fc.constantFrom("allow" as const, "block" as const);
const rule = fc.oneof(
  action.map(any),
  fc.tuple(action, fc.subarray(COUNTRIES, { minLength: 1 })).map(([does, list]) => from(does, ...list)),
  fc.tuple(action, fc.subarray(ADDRESSES, { minLength: 1 })).map(([does, list]) => at(does, ...list)),
);
export const rules = fc.array(rule, { maxLength: MAX_ACCESS_RULES });
export const blocks = rules.map((list) => list.map((one) => ({ ...one, action: "block" as const })));
