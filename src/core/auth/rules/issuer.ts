import type { Scope } from "./scopes.ts";

export const ASYMMETRIC_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"] as const;
export const SYMMETRIC_ALGORITHMS = ["HS256"] as const;

/** An identity provider whose JWTs are accepted. */
export interface Issuer {
  readonly id: string;
  /** The `iss` claim, compared exactly. */
  readonly iss: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** The source of its verification keys. */
  readonly keys:
    | { readonly kind: "jwks-url"; readonly url: string }
    | { readonly kind: "jwks"; readonly jwks: { readonly keys: readonly Record<string, unknown>[] } }
    | { readonly kind: "secret"; readonly secret: Uint8Array };
  /** Its tokens are valid for this tenant only, or for the tenant that a claim names. */
  readonly tenant: { readonly kind: "fixed"; readonly id: string } | { readonly kind: "claim"; readonly claim: string };
  readonly subjectClaim: string;
  readonly scopes: ReadonlySet<Scope>;
  /** The longest life of a grant that its tokens mint. */
  readonly maxGrantSeconds: number;
  /** The tenant's version when the issuer was read; absent if a claim names the tenant. */
  readonly version?: number;
}

/** An `iss` that can be configured. Tokens with any other are refused without a look-up. */
export const ISS = /^[\x20-\x7e]{1,500}$/;
