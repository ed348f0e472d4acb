import { uniqueSubset } from "../../shared/fields.ts";

const SCOPES_OF_0_1 = [
  "uploads:create",
  "uploads:read",
  "uploads:delete",
  "grants:create",
  "policy:read",
  "usage:read",
] as const;

/** What a credential may be used for. */
export const SCOPES = [...SCOPES_OF_0_1, "playback:sign", "uploads:edit", "uploads:copy"] as const;

export type Scope = (typeof SCOPES)[number];

export const scopes = uniqueSubset(SCOPES);

/**
 * What a grant may do: in the tenant, or with an upload that was created under it.
 *
 * @param playback whether it was minted with `playback`
 */
export function scopesOfGrant(ownOnly: boolean, playback = false): ReadonlySet<Scope> {
  if (!ownOnly) return new Set(["uploads:create"]);
  return new Set(playback ? ["uploads:read", "uploads:delete", "playback:sign"] : ["uploads:read", "uploads:delete"]);
}

/**
 * The scopes that a claim of a JWT gives by their names. `uploads:copy` makes Stream fetch any URL: a token has it only if the
 * issuer's document names it, in a list or in a `map`.
 */
export const SCOPES_BY_NAME: readonly Scope[] = SCOPES.filter((scope) => scope !== "uploads:copy");

/** Ends the stored list of a key that was created with exactly the scopes of 0.1, which ignores names that it does not know. */
const NO_OTHERS = "no-others";

/**
 * The scopes of an API key. Keys store the list of their day: one of version 0.1 with all scopes of then has the later ones, too.
 *
 * @param stored may have names of other versions
 */
export function scopesOfKey(stored: readonly string[]): readonly Scope[] {
  const names = new Set(stored);
  const hasAllOf01 = stored.length === SCOPES_OF_0_1.length && SCOPES_OF_0_1.every((scope) => names.has(scope));
  return hasAllOf01 ? SCOPES : SCOPES.filter((scope) => names.has(scope));
}

/** What is stored of the scopes that a key is created with: `scopesOfKey` returns just these of it. */
export function storedScopesOfKey(scopes: readonly Scope[]): readonly string[] {
  return scopesOfKey(scopes).length === scopes.length ? scopes : [...scopes, NO_OTHERS];
}
