import { SignJWT, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import { JWKSMultipleMatchingKeys, JWKSNoMatchingKey, JWTClaimValidationFailed, JWTExpired } from "jose/errors";
import * as v from "valibot";
import type { KeyRing } from "../../config.ts";
import { DEFAULT_GRANT_UPLOADS } from "../../core/auth/rules/grant.ts";
import { TENANT_NAMESPACE } from "../../core/auth/rules/person.ts";
import { TENANT_ID } from "../../core/shared/tenant.ts";
import { type Problem, problem } from "../../core/shared/problem.ts";
import { errorMessage } from "../../core/shared/text.ts";
import { type Result, ok, err } from "../../core/shared/result.ts";
import type { Tokens } from "../../core/ports/tokens.ts";
import { JwksUnavailable, createKeySource } from "./jwks.ts";

/** The `typ` of grants, so that no other JWT passes for a grant or the other way round (RFC 8725 section 3.11). */
const GRANT_TYPE = "grant+jwt";
const GRANT_ISSUER = "sluice";
const GRANT_ALGORITHM = "HS256";

/** For the clocks of identity providers. Grants need none: this Worker signs them. */
const CLOCK_TOLERANCE_SECONDS = 30;

/** Verifies the JWTs of identity providers, and signs and verifies grants, with `jose`. */
export function createTokens(grantKeys: KeyRing, allowLoopback: boolean): Tokens {
  const keySource = createKeySource(allowLoopback);
  const grantKeyOf = (header: { kid?: string }) => {
    const key = grantKeys.find(({ id }) => id === header.kid);
    if (!key) throw new JWKSNoMatchingKey();
    return key.bytes;
  };

  return {
    peek(token) {
      // API keys have no dots. Throwing and catching for each of them would cost more than their whole verification.
      if (!token.includes(".")) return undefined;
      try {
        if (decodeProtectedHeader(token).typ === GRANT_TYPE) return { kind: "grant" };
        const { iss, aud } = v.parse(previewClaims, decodeJwt(token));
        return { kind: "jwt", iss, audiences: typeof aud === "string" ? [aud] : aud };
      } catch {
        return undefined;
      }
    },

    async verifyJwt(token, issuer) {
      return verify(async () => {
        const { payload } = await jwtVerify(token, keySource(issuer), {
          issuer: issuer.iss,
          audience: [...issuer.audiences],
          // The issuer's setting, never the token's `alg`: else an RSA public key would pass for an HMAC secret.
          algorithms: [...issuer.algorithms],
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
          requiredClaims: ["exp"],
        });
        return payload;
      });
    },

    async verifyGrant(token, graceSeconds = 0) {
      return verify(async () => {
        const { payload } = await jwtVerify(token, grantKeyOf, {
          typ: GRANT_TYPE,
          issuer: GRANT_ISSUER,
          algorithms: [GRANT_ALGORITHM],
          clockTolerance: graceSeconds,
          requiredClaims: ["exp", "iat", "jti", "aud"],
        });
        const { jti, aud, iat, exp, sub, ns, policy, uploads, reference, mintedBy } = v.parse(grantClaims, payload);
        return {
          id: jti,
          tenant: aud,
          issuedAt: iat,
          expiresAt: exp,
          ...(ns && { person: { namespace: ns[0], subject: ns[1] } }),
          ...(sub !== undefined && { person: { namespace: TENANT_NAMESPACE, subject: sub } }),
          ...(policy !== undefined && { policy }),
          uploads,
          ...(reference !== undefined && { reference }),
          mintedBy,
        };
      });
    },

    async signGrant(grant) {
      const [signingKey] = grantKeys;
      const { person, policy, uploads, reference, mintedBy } = grant;
      const isTenants = person?.namespace === TENANT_NAMESPACE;
      const jwt = new SignJWT({
        ...(person && !isTenants && { ns: [person.namespace, person.subject] }),
        ...(policy !== undefined && { policy }),
        ...(uploads !== DEFAULT_GRANT_UPLOADS && { uploads }),
        ...(reference !== undefined && { reference }),
        mintedBy,
      })
        .setProtectedHeader({ alg: GRANT_ALGORITHM, typ: GRANT_TYPE, kid: signingKey.id })
        .setIssuer(GRANT_ISSUER)
        .setAudience(grant.tenant)
        .setJti(grant.id)
        .setIssuedAt(grant.issuedAt)
        .setExpirationTime(grant.expiresAt);
      if (isTenants) jwt.setSubject(person.subject);
      return jwt.sign(signingKey.bytes);
    },
  };
}

/** Claims before verification: they may have any JSON type. */
const previewClaims = v.object({
  iss: v.optional(v.string(), ""),
  aud: v.optional(v.union([v.string(), v.array(v.string())]), []),
});

/** Claims of a verified grant. Sluice signed them, so any other shape is a bug of an earlier version. */
const grantClaims = v.object({
  jti: v.string(),
  aud: v.pipe(v.string(), v.regex(TENANT_ID)),
  iat: v.number(),
  exp: v.number(),
  /** The subject of a person of the namespace `tenant`. */
  sub: v.optional(v.string()),
  /** Namespace and subject of any other person. Not in `sub`, which the version before takes for the tenant's. */
  ns: v.optional(v.tuple([v.string(), v.string()])),
  policy: v.optional(v.unknown()),
  uploads: v.optional(v.number(), DEFAULT_GRANT_UPLOADS),
  reference: v.optional(v.string()),
  mintedBy: v.union([v.object({ key: v.string() }), v.object({ issuer: v.string(), iss: v.string() })]),
});

async function verify<T>(work: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await work());
  } catch (error) {
    return err(toProblem(error));
  }
}

/** Maps an error of `jose` to a problem. Errors without a code of their own mean that the token is not valid. */
function toProblem(error: unknown): Problem {
  const facts = { reason: errorMessage(error) };
  if (error instanceof JwksUnavailable)
    return problem("jwks_unavailable", "The key set of the issuer cannot be read. Try again in 10 seconds.", {
      facts,
      retryAfterSeconds: 10,
    });
  if (error instanceof JWTExpired) return problem("credential_expired", "The token has expired.", { facts });
  if (error instanceof JWTClaimValidationFailed && error.claim === "nbf")
    return problem("credential_not_yet_valid", "The token is not valid yet.", { facts });
  if (error instanceof JWTClaimValidationFailed && error.claim === "aud")
    return problem("credential_wrong_audience", "The aud of the token must be the audience of its issuer.", { facts });
  if (error instanceof JWKSNoMatchingKey || error instanceof JWKSMultipleMatchingKeys)
    return problem("credential_unknown_key", "The token is signed with an unknown key.", { facts });
  return problem("credential_invalid", "The token is not valid.", { facts });
}
