import type { SignJWT } from "jose";
import { secretHashes } from "../../../src/adapters/auth/hashing.ts";
import type { KeyRing } from "../../../src/config.ts";
import type { Claims } from "../../../src/core/auth/rules/claims.ts";
import type { Issuer } from "../../../src/core/auth/rules/issuer.ts";
import type { Scope } from "../../../src/core/auth/rules/scopes.ts";
import { MAX_SIGNATURE_CHECKS, walkToken } from "../../../src/core/auth/walk-token.ts";
import type { Tokens } from "../../../src/core/ports/tokens.ts";
import { problem } from "../../../src/core/shared/problem.ts";
import { type Result, err, ok } from "../../../src/core/shared/result.ts";

export const ring = (...keys: [id: string, fill: number][]) =>
  keys.map(([id, fill]) => ({ id, bytes: new Uint8Array(32).fill(fill) })) as unknown as KeyRing;
/** Seconds since the epoch. */
export const now = () => Math.floor(Date.now() / 1000);

const fixed = {
  id: "idp",
  iss: "https://idp.example/",
  audiences: ["sluice"],
  tenant: { kind: "fixed", id: "acme" },
  subject: { claims: ["sub"], namespace: "idp" },
  scopes: { kind: "fixed", scopes: new Set<Scope>(["uploads:create"]) },
  authorizedParties: [],
  anyAudience: false,
  require: [],
  maxGrantSeconds: 60,
} as const;
export const issuerWith = (keys: Issuer["keys"], algorithms: readonly string[]): Issuer => ({
  ...fixed,
  algorithms,
  keys,
});

/** Adds what the issuers of `issuerWith` ask for. */
export function claims(jwt: SignJWT): SignJWT {
  return jwt
    .setIssuer(fixed.iss)
    .setAudience("sluice")
    .setSubject("user-1")
    .setExpirationTime(now() + 60);
}

export async function walk(tokens: Tokens, token: string, issuer: Issuer, left = MAX_SIGNATURE_CHECKS) {
  const jwt = tokens.peek(token);
  if (jwt?.kind !== "jwt") return err(problem("credential_invalid", "The token is not valid."));
  const ports = { tokens, hashes: secretHashes, now };
  return (await walkToken(ports, jwt, issuer, { left })).outcome;
}

export async function verifyJwt(tokens: Tokens, token: string, issuer: Issuer): Promise<Result<Claims>> {
  const outcome = await walk(tokens, token, issuer);
  if (!outcome.ok) return outcome;
  const jwt = tokens.peek(token);
  return ok(jwt?.kind === "jwt" ? jwt.claims : {});
}

export function codeOf(result: Result<unknown>): string {
  return result.ok ? "accepted" : result.problem.code;
}
