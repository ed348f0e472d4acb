import type { Claims } from "../auth/rules/claims.ts";
import type { Grant } from "../auth/rules/grant.ts";
import type { Issuer } from "../auth/rules/issuer.ts";
import type { Result } from "../shared/result.ts";

/** JWTs: verifies those of identity providers, signs and verifies grants. */
export interface Tokens {
  /** Reads a token without verifying it. @returns `undefined` if it is not a JWT */
  peek(token: string): UnverifiedToken | undefined;
  /**
   * Verifies that a key of the issuer has signed a JWT, and nothing else.
   *
   * @param checks of all issuers that the token is tried with
   */
  verifySignature(jwt: UnverifiedJwt, issuer: Issuer, checks: SignatureChecks): Promise<Result<Signed>>;
  /** Reads an issuer's keys as a token would. */
  readKeys(issuer: Issuer): Promise<Result<IssuerKeys>>;
  /** @param graceSeconds how long after its `exp` the grant still counts; 0 by default */
  verifyGrant(token: string, graceSeconds?: number): Promise<Result<Grant>>;
  signGrant(grant: Grant): Promise<string>;
}

export type UnverifiedToken = { readonly kind: "grant" } | UnverifiedJwt;

/** Good for choosing issuer and key, and for nothing else. */
export interface UnverifiedJwt {
  readonly kind: "jwt";
  /** The whole token. */
  readonly text: string;
  readonly alg: string;
  readonly kid?: unknown;
  /** The `iss` claim; "" if there is none. */
  readonly iss: string;
  readonly claims: Claims;
}

/** How many signatures may still be checked for a request. */
export interface SignatureChecks {
  left: number;
}

export interface Signed {
  /** The age of the keys, if the provider is down and they are older than they would be otherwise. */
  readonly staleKeysSeconds?: number;
}

export interface IssuerKeys extends Signed {
  /** Public keys, or the number of secrets. */
  readonly count: number;
  /** The `alg` of the keys, or else their `kty`, each once; "secret" for a shared secret. */
  readonly algorithms: readonly string[];
  /** Since the provider was asked; absent for keys that the issuer's document has. */
  readonly ageSeconds?: number;
}
