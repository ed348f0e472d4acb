import { uniqueSubset } from "../../shared/fields.ts";

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

export const scopes = uniqueSubset(SCOPES);

/** What a grant may do in the tenant. */
export const GRANT_SCOPES: ReadonlySet<Scope> = new Set(["uploads:create"] as const);

/** What a grant may do with an upload that was created under it. */
export const OWN_UPLOAD_SCOPES: ReadonlySet<Scope> = new Set(["uploads:read", "uploads:delete"] as const);
