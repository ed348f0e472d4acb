import * as v from "valibot";
import { SCOPES } from "../../../core/auth/rules/scopes.ts";
import { isSafeUrl } from "../../../core/shared/safe-url.ts";
import { isEndpointUrl } from "../../../core/webhooks/rules/endpoint.ts";

/** Schemas that several documents share. */

/** One or more of these names, each at most once. */
export const uniqueSubset = <const T extends string>(names: readonly T[]) =>
  v.pipe(
    v.array(v.picklist(names)),
    v.minLength(1),
    v.check((chosen) => new Set(chosen).size === chosen.length, "must not contain duplicates"),
  );

export const scopes = uniqueSubset(SCOPES);

/** Text for people, without control characters and lone surrogates: no database stores the latter unchanged. */
export const displayName = v.pipe(
  v.string(),
  v.regex(/^[^\p{Cc}\p{Cs}]{1,200}$/u, "must be 1 to 200 printable characters"),
);

/** A URL that secrets may be sent to, or that keys may come from. Checked as text, because a parser would repair it. */
export const safeUrl = (allowLoopback: boolean) =>
  v.pipe(
    v.string(),
    v.check(
      (url) => /^https?:\/\/[\x21-\x7e]{1,1000}$/.test(url) && isSafeUrl(url, allowLoopback),
      "must be an https URL",
    ),
  );

/** A URL that webhook events may be sent to. */
export const endpointUrl = (allowLoopback: boolean) =>
  v.pipe(
    v.string(),
    v.check(
      (url) => isEndpointUrl(url, allowLoopback),
      "must be an https URL on port 443 of a public name, without user info",
    ),
  );
