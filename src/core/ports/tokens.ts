import type { Grant } from "../auth/rules/grant.ts";
import type { Issuer } from "../auth/rules/issuer.ts";
import type { Result } from "../shared/result.ts";

/** JWTs: verifies those of identity providers, signs and verifies grants. */
export interface Tokens {
  /** Reads the kind and the issuer of a token without verifying them. @returns `undefined` if it is not a JWT */
  peek(token: string): TokenPreview | undefined;
  verifyJwt(token: string, issuer: Issuer): Promise<Result<Readonly<Record<string, unknown>>>>;
  /** @param graceSeconds how long after its `exp` the grant still counts; 0 by default */
  verifyGrant(token: string, graceSeconds?: number): Promise<Result<Grant>>;
  signGrant(grant: Grant): Promise<string>;
}

/** Unverified claims: good for choosing the key, and for nothing else. */
export type TokenPreview =
  | { readonly kind: "grant" }
  | { readonly kind: "jwt"; readonly iss: string; readonly audiences: readonly string[] };
