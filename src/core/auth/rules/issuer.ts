import type { Scope } from "./caller.ts";

export const ASYMMETRIC_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"] as const;
export const SYMMETRIC_ALGORITHMS = ["HS256"] as const;

/** An identity provider whose JWTs are accepted. */
export interface Issuer {
  readonly id: string;
  /** The `iss` claim, compared exactly. */
  readonly iss: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** Where its verification keys come from. */
  readonly keys:
    | { readonly kind: "jwks-url"; readonly url: string }
    | { readonly kind: "jwks"; readonly jwks: { readonly keys: readonly Record<string, unknown>[] } }
    | { readonly kind: "secret"; readonly secret: Uint8Array };
  /** Its tokens speak for this tenant only, or for the one they name in a claim. */
  readonly tenant: { readonly kind: "fixed"; readonly id: string } | { readonly kind: "claim"; readonly claim: string };
  readonly subjectClaim: string;
  readonly scopes: ReadonlySet<Scope>;
  /** The tenant's, when the issuer was read; an issuer of many tenants has none of its own. */
  readonly version?: number;
}

/** What an `iss` may be here; a token may claim anything, and what cannot be configured is not looked for. */
export const ISS = /^[\x20-\x7e]{1,500}$/;
