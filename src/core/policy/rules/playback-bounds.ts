import * as v from "valibot";
import { integer, listOf } from "../../shared/fields.ts";
import { isAddressRange } from "../../shared/network.ts";
import { jsonObject } from "../../shared/strict-object.ts";
import { type AccessRule, MAX_ACCESS_RULES, narrowAccessRules } from "./access-rules.ts";
import type { PlaybackBounds, Policy } from "./policy.ts";

/** Stream's own default: a token "expires in one hour". */
export const DEFAULT_TOKEN_SECONDS = 3_600;

/** Stream: an `exp` "cannot be greater than 24 hours in the future". */
export const MAX_TOKEN_SECONDS = 86_400;

/** A token is part of a URL, of which Cloudflare takes 16 KB. Five rules with lists of these lengths are less than 9 KB in base64. */
const MAX_COUNTRIES = 250;
const MAX_ADDRESSES = 25;

const country = v.pipe(v.string(), v.regex(/^[A-Z]{2}$/, "must be the code of a country in capitals, such as DE"));
const range = v.pipe(v.string(), v.check(isAddressRange, "must be an IP address, or a range such as 192.0.2.0/24"));

export const accessRuleSchema = v.pipe(
  jsonObject({
    type: v.picklist(["any", "ip.src", "ip.geoip.country"]),
    action: v.picklist(["allow", "block"]),
    country: v.exactOptional(listOf(country, MAX_COUNTRIES)),
    ip: v.exactOptional(listOf(range, MAX_ADDRESSES)),
  }),
  v.check(
    (rule) => "country" in rule === (rule.type === "ip.geoip.country") && "ip" in rule === (rule.type === "ip.src"),
    "must have country with the type ip.geoip.country, ip with ip.src, and neither with any",
  ),
);

export const accessRulesSchema = v.pipe(
  v.array(accessRuleSchema),
  v.maxLength(MAX_ACCESS_RULES),
  v.check(
    (rules) => rules.slice(0, -1).every(({ type }) => type !== "any"),
    "must have no rule after one of the type any, which matches every viewer",
  ),
);

/** `playback` of a policy document. `null` removes an entry of a plan. */
export const playbackSchema = jsonObject({
  maxSeconds: v.nullish(integer(1, MAX_TOKEN_SECONDS)),
  accessRules: v.nullish(accessRulesSchema),
  downloadable: v.nullish(v.boolean()),
});

/** What playback tokens may be under a policy: within the bounds of every document, and downloadable only if the tenant's says so. */
export function playbackBounds(policy: Policy): PlaybackBounds {
  const documents = policy.map(({ playback }) => playback);
  return {
    maxSeconds: Math.min(...documents.map(({ maxSeconds = MAX_TOKEN_SECONDS }) => maxSeconds)),
    accessRules: combinedAccessRules(policy) ?? NOBODY,
    downloadable:
      policy[0].playback.downloadable === true && documents.every(({ downloadable = true }) => downloadable),
  };
}

/** @returns `undefined` if no token can have the rules of all documents: see `narrowAccessRules` */
export function combinedAccessRules(policy: Policy): readonly AccessRule[] | undefined {
  return policy.reduce<readonly AccessRule[] | undefined>(
    (rules, { playback }) => rules && narrowAccessRules(rules, playback.accessRules ?? []),
    [],
  );
}

/** For a grant whose rules the tenant's have contradicted since it was minted. */
const NOBODY: readonly AccessRule[] = [{ type: "any", action: "block" }];
