/** What a credential may be used for. An API key has all scopes unless it was created with fewer. */
export const SCOPES = [
  "uploads:create",
  "uploads:read",
  "uploads:delete",
  "grants:create",
  "policy:read",
  "usage:read",
] as const;

export type Scope = (typeof SCOPES)[number];

export const GRANT_SCOPES: ReadonlySet<Scope> = new Set(["uploads:create"] as const);
