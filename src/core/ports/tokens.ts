import type { Grant } from "../auth/rules/grant.ts";
import type { Issuer } from "../auth/rules/issuer.ts";
import type { Result } from "../shared/result.ts";

/** Verifies and mints the tokens that are not looked up. */
export interface Tokens {
  /** Reads, without believing any of it, whose token this is; undefined for what is no JWT. */
  peek(token: string): TokenPreview | undefined;
  verifyJwt(token: string, issuer: Issuer): Promise<Result<Readonly<Record<string, unknown>>>>;
  verifyGrant(token: string): Promise<Result<Grant>>;
  signGrant(grant: Grant): Promise<string>;
}
export type TokenPreview =
  | { readonly kind: "grant" }
  | { readonly kind: "jwt"; readonly iss: string; readonly audiences: readonly string[] };
