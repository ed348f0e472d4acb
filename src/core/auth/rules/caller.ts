import type { Policy } from "../../policy/rules/policy.ts";

/** What a credential may be good for. An API key has all of them unless it was made with fewer. */
export const SCOPES = [
  "uploads:create",
  "uploads:read",
  "uploads:delete",
  "grants:create",
  "policy:read",
  "usage:read",
] as const;

export type Scope = (typeof SCOPES)[number];

/** Who asks, once the credential has been verified. */
export interface Caller {
  readonly tenant: string;
  readonly kind: "api-key" | "jwt" | "grant";
  /** Which credential, for the log: the key's id, the issuer's id, or the grant's `jti`. */
  readonly credential: string;
  /** The `iss` of a JWT. */
  readonly iss?: string;
  /** The media creator: subject of a JWT or a grant. An API key speaks for the tenant and has none. */
  readonly subject?: string;
  readonly scopes: ReadonlySet<Scope>;
  /** The tenant's version when the credential was read: what has been revoked since may still look valid. */
  readonly version: number;
  /** What a grant narrows the tenant's policy by. */
  readonly policy?: Policy;
}
