import * as v from "valibot";
import { SCOPES } from "../../../core/auth/rules/scopes.ts";
import { isEndpointUrl, isFetchableUrl } from "../../../core/shared/fetched-url.ts";

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

export const FETCHABLE_URL = "must be an https URL of a public name, without user info";

/** A URL that the gateway fetches. */
export const fetchableUrl = (allowLoopback: boolean) =>
  v.pipe(
    v.string(),
    v.check((url) => isFetchableUrl(url, allowLoopback), FETCHABLE_URL),
  );

/** A URL that webhook events may be sent to. */
export const endpointUrl = (allowLoopback: boolean) =>
  v.pipe(
    v.string(),
    v.check((url) => isEndpointUrl(url, allowLoopback), `${FETCHABLE_URL}, on port 443`),
  );
