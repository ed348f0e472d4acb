import * as v from "valibot";
import { type AccessRule, MAX_ACCESS_RULES, narrowAccessRules } from "../../policy/rules/access-rules.ts";
import { DEFAULT_TOKEN_SECONDS, MAX_TOKEN_SECONDS, accessRulesSchema } from "../../policy/rules/playback-bounds.ts";
import type { PlaybackBounds } from "../../policy/rules/policy.ts";
import { integer } from "../../shared/fields.ts";
import { invalidField } from "../../shared/invalid-field.ts";
import { problem } from "../../shared/problem.ts";
import { type Err, type Result, err, ok } from "../../shared/result.ts";
import { jsonObject } from "../../shared/strict-object.ts";

/** Seconds since the epoch, until the year 9999. */
const time = integer(0, 253_402_300_799);

const common = {
  /** Not valid before. */
  nbf: v.exactOptional(time),
  downloadable: v.exactOptional(v.boolean()),
  accessRules: v.exactOptional(accessRulesSchema),
};

/** The body of `POST /v1/:tenant/uploads/:id/playback`. */
export const playbackSchema = jsonObject({
  expiresIn: v.exactOptional(integer(1, MAX_TOKEN_SECONDS)),
  ...common,
});

/**
 * The body of Cloudflare's `POST /stream/:uid/token`. Key and flags are not the caller's to choose: they are accepted, since clients
 * send them, and not used.
 */
export const streamTokenSchema = jsonObject({
  exp: v.exactOptional(time),
  ...common,
  id: v.optional(v.unknown()),
  pem: v.optional(v.unknown()),
  flags: v.optional(v.unknown()),
});

/** What a caller asks for, through either API. */
export interface TokenRequest {
  /** Seconds from now; instead of `exp`. */
  readonly expiresIn?: number;
  /** Seconds since the epoch, as `nbf`. */
  readonly exp?: number;
  readonly nbf?: number;
  readonly downloadable?: boolean;
  readonly accessRules?: readonly AccessRule[];
}

/** The claims of a token, but for video and key. Times are seconds since the epoch. */
export interface TokenClaims {
  readonly exp: number;
  readonly nbf?: number;
  readonly downloadable?: true;
  readonly accessRules?: readonly AccessRule[];
}

/**
 * Decides what a token says. The caller only narrows. What is beyond the bounds is refused and not shortened: otherwise the
 * caller would learn of it from a viewer whose video stops.
 *
 * @param now seconds since the epoch
 */
export function decideToken(bounds: PlaybackBounds, request: TokenRequest, now: number): Result<TokenClaims> {
  const { maxSeconds } = bounds;
  const { expiresIn = Math.min(DEFAULT_TOKEN_SECONDS, maxSeconds), nbf, downloadable = false } = request;
  const { exp = now + expiresIn, accessRules = [] } = request;
  if (exp <= now) return invalidField("exp", `must be after now, ${now} (found: ${exp})`);
  if (exp > now + maxSeconds)
    return request.exp === undefined
      ? violation("expiresIn", `must be at most ${maxSeconds} (found: ${expiresIn})`)
      : violation("exp", `must be at most ${now + maxSeconds}, in ${maxSeconds} seconds (found: ${exp})`);
  if (nbf !== undefined && nbf >= exp) return invalidField("nbf", `must be before the expiry, ${exp} (found: ${nbf})`);
  if (downloadable && !bounds.downloadable)
    return violation("downloadable", "must be false: the policy does not have playback.downloadable: true");
  if (accessRules.some(({ action }) => action !== "block"))
    return violation("accessRules", "must have the action block only: what is allowed, the policy says");
  const rules = narrowAccessRules(bounds.accessRules, accessRules);
  if (!rules) {
    const left = MAX_ACCESS_RULES - bounds.accessRules.length;
    return violation(
      "accessRules",
      `must be at most ${left}, beside those of the policy (found: ${accessRules.length})`,
    );
  }
  return ok({
    exp,
    ...(nbf !== undefined && { nbf }),
    ...(downloadable && { downloadable }),
    ...(rules.length > 0 && { accessRules: rules }),
  });
}

function violation(key: string, reason: string): Err {
  return err(problem("policy_violation", `${key} ${reason}.`, { key }));
}
