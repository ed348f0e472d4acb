/**
 * What a credential may be used for. An API key stores its scopes: those that it was created with, or all that existed then. A
 * scope that is added here later is not added to existing keys.
 */
export const SCOPES = [
  "uploads:create",
  "uploads:read",
  "uploads:delete",
  "grants:create",
  "policy:read",
  "usage:read",
] as const;

export type Scope = (typeof SCOPES)[number];

/** A grant creates one upload and nothing else. */
export const GRANT_SCOPES: ReadonlySet<Scope> = new Set(["uploads:create"] as const);
