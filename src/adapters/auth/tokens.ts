import { CompactSign, type JWK, compactVerify } from "jose";
import * as v from "valibot";
import type { KeyRing } from "../../config.ts";
import type { Claims } from "../../core/auth/rules/claims.ts";
import { DEFAULT_GRANT_UPLOADS } from "../../core/auth/rules/grant.ts";
import { TENANT_NAMESPACE } from "../../core/auth/rules/person.ts";
import { refuseToken } from "../../core/auth/rules/refuse-token.ts";
import type { TokenStep } from "../../core/auth/rules/token-step.ts";
import { keyFits } from "../../core/auth/rules/verification-key.ts";
import { isJsonObject, parseJson } from "../../core/shared/json.ts";
import { problem } from "../../core/shared/problem.ts";
import { TENANT_ID } from "../../core/shared/tenant.ts";
import { type Err, type Result, ok, err } from "../../core/shared/result.ts";
import type { SignatureChecks, Signed, Tokens, UnverifiedJwt } from "../../core/ports/tokens.ts";
import { JwksUnavailable, type KeySet, createKeySource } from "./jwks.ts";

/** The `typ` of grants, so that no other JWT passes for a grant or the other way round (RFC 8725 section 3.11). */
const GRANT_TYPE = "grant+jwt";
const GRANT_ISSUER = "sluice";
const GRANT_ALGORITHM = "HS256";

/** Verifies the signatures of identity providers, and signs and verifies grants, with `jose`. */
export function createTokens(grantKeys: KeyRing, allowLoopback: boolean): Tokens {
  const keySource = createKeySource(allowLoopback);

  async function keysOf(...source: Parameters<typeof keySource>): Promise<Result<KeySet>> {
    try {
      return ok(await keySource(...source));
    } catch (error) {
      if (!(error instanceof JwksUnavailable)) throw error;
      const more = { step: "key", retryAfterSeconds: 10, facts: { reason: error.message } } as const;
      return err(
        problem("jwks_unavailable", "The key set of the issuer cannot be read. Try again in 10 seconds.", more),
      );
    }
  }

  return {
    peek(token) {
      // API keys have no dots. Throwing and catching for each of them would cost more than their whole verification.
      if (!token.includes(".")) return undefined;
      const { header, claims } = decode(token) ?? {};
      if (!header || !claims) return undefined;
      if (header["typ"] === GRANT_TYPE) return { kind: "grant" };
      const { alg, kid, crit } = header;
      // RFC 7515 section 4.1.11: extensions that are not understood make a token invalid. None is.
      if (typeof alg !== "string" || crit !== undefined) return undefined;
      const { iss = "" } = claims;
      return typeof iss === "string" ? { kind: "jwt", text: token, alg, kid, claims, iss } : undefined;
    },

    async verifySignature(jwt, issuer, checks) {
      const { alg, kid } = jwt;
      const expected = issuer.algorithms;
      // The issuer's setting, never the token's `alg` alone: else an RSA public key would pass for an HMAC secret.
      if (!expected.includes(alg)) return invalid("key", { expected, found: alg });
      const keys = await keysOf(issuer);
      if (!keys.ok) return keys;
      const tried = await tryKeys(jwt, keys.value, checks);
      if (tried === "signed") return ok(signed(keys.value));
      // The provider has not replaced a key that it publishes under this name.
      const isNamed = kid !== undefined && keys.value.keys.some((key) => (key as JWK).kid === kid);
      if (tried === "another key" && isNamed) return invalid("signature", { found: kid });
      // The provider may have a new key. Which one a token without `kid` is signed with, only the signature says.
      const fresh = await keysOf(issuer, true);
      if (!fresh.ok) return fresh;
      const retried = fresh.value.keys === keys.value.keys ? tried : await tryKeys(jwt, fresh.value, checks);
      if (retried === "signed") return ok({});
      if (retried === "another key") return invalid("signature", { found: kid });
      return refuseToken("credential_unknown_key", UNKNOWN_KEY, {
        step: "key",
        expected: keyNames(fresh.value, "kid"),
        found: kid ?? alg,
      });
    },

    async readKeys(issuer) {
      const keySet = await keysOf(issuer);
      if (!keySet.ok) return keySet;
      const { keys, readAt } = keySet.value;
      return ok({
        count: keys.length,
        algorithms: keyNames(keySet.value, "alg"),
        ...(readAt !== undefined && { ageSeconds: ageOf(readAt) }),
        ...signed(keySet.value),
      });
    },

    async verifyGrant(token, graceSeconds = 0) {
      const { header, claims } = decode(token) ?? {};
      if (header?.["typ"] !== GRANT_TYPE) return invalid("parse", { expected: GRANT_TYPE, found: header?.["typ"] });
      const kid = header["kid"];
      const key = grantKeys.find(({ id }) => id === kid);
      if (!key)
        return refuseToken("credential_unknown_key", UNKNOWN_KEY, {
          step: "key",
          expected: grantKeys.map(({ id }) => id),
          found: kid,
        });
      if (!(await isSigned(token, key.bytes, GRANT_ALGORITHM))) return invalid("signature", { found: kid });
      const grant = v.safeParse(grantClaims, claims);
      if (!grant.success) return invalid("parse", { found: grant.issues[0].message });
      const { jti, aud, iat, exp, sub, ns, policy, playback, uploads, reference, mintedBy } = grant.output;
      // Grants need no tolerance for clocks: this Worker signs them.
      if (exp + graceSeconds <= Math.floor(Date.now() / 1000))
        return refuseToken("credential_expired", "The grant has expired.", { step: "times", found: exp });
      return ok({
        id: jti,
        tenant: aud,
        issuedAt: iat,
        expiresAt: exp,
        ...(ns && { person: { namespace: ns[0], subject: ns[1] } }),
        ...(sub !== undefined && { person: { namespace: TENANT_NAMESPACE, subject: sub } }),
        ...(policy !== undefined && { policy }),
        ...(playback && { playback }),
        uploads,
        ...(reference !== undefined && { reference }),
        mintedBy,
      });
    },

    async signGrant(grant) {
      const [signingKey] = grantKeys;
      const { person, policy, playback, uploads, reference, mintedBy } = grant;
      const isTenants = person?.namespace === TENANT_NAMESPACE;
      const claims = {
        iss: GRANT_ISSUER,
        jti: grant.id,
        aud: grant.tenant,
        iat: grant.issuedAt,
        exp: grant.expiresAt,
        ...(person && (isTenants ? { sub: person.subject } : { ns: [person.namespace, person.subject] })),
        ...(policy !== undefined && { policy }),
        ...(playback && { playback }),
        ...(uploads !== DEFAULT_GRANT_UPLOADS && { uploads }),
        ...(reference !== undefined && { reference }),
        mintedBy,
      } satisfies v.InferInput<typeof grantClaims>;
      return new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
        .setProtectedHeader({ alg: GRANT_ALGORITHM, typ: GRANT_TYPE, kid: signingKey.id })
        .sign(signingKey.bytes);
    },
  };
}

/** Claims of a verified grant. Sluice signed them, so any other shape is a bug of an earlier version. */
const grantClaims = v.object({
  iss: v.literal(GRANT_ISSUER),
  jti: v.string(),
  aud: v.pipe(v.string(), v.regex(TENANT_ID)),
  iat: v.number(),
  exp: v.number(),
  /** The subject of a person of the namespace `tenant`. */
  sub: v.optional(v.string()),
  /** Namespace and subject of any other person. Not in `sub`, which the version before takes for the tenant's. */
  ns: v.optional(v.tuple([v.string(), v.string()])),
  policy: v.optional(v.unknown()),
  playback: v.optional(v.literal(true)),
  uploads: v.optional(v.number(), DEFAULT_GRANT_UPLOADS),
  reference: v.optional(v.string()),
  mintedBy: v.union([v.object({ key: v.string() }), v.object({ issuer: v.string(), iss: v.string() })]),
});

interface Decoded {
  readonly header: Claims;
  readonly claims: Claims;
}

/** @returns header and claims of a JWT, unverified; `undefined` if it is none */
function decode(token: string): Decoded | undefined {
  const [header, claims, ...signature] = token.split(".").map((part, index) => (index < 2 ? decodePart(part) : part));
  return isJsonObject(header) && isJsonObject(claims) && signature.length === 1 ? { header, claims } : undefined;
}

function decodePart(part: string): unknown {
  try {
    return parseJson(Uint8Array.fromBase64(part, { alphabet: "base64url" }))?.value;
  } catch {
    return undefined;
  }
}

type Tried = "signed" | "another key" | "no key";

async function tryKeys(jwt: UnverifiedJwt, { keys }: KeySet, checks: SignatureChecks): Promise<Tried> {
  const fitting = keys.filter((key) => key instanceof Uint8Array || keyFits(key, jwt));
  for (const key of fitting) {
    if (checks.left-- <= 0) break;
    if (await isSigned(jwt.text, key, jwt.alg)) return "signed";
  }
  return fitting.length > 0 ? "another key" : "no key";
}

/** A key that cannot be used has not signed it: a provider may publish keys that are none of this runtime. */
async function isSigned(token: string, key: JWK | Uint8Array, algorithm: string): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] });
    return true;
  } catch {
    return false;
  }
}

/** Of the public keys; the type of one that does not have the member. */
function keyNames({ keys }: KeySet, member: "kid" | "alg"): readonly string[] {
  const names = keys.map((key): unknown => (key instanceof Uint8Array ? "secret" : (key[member] ?? key.kty)));
  return [...new Set(names.filter((name) => typeof name === "string"))];
}

const ageOf = (readAt: number) => Math.floor((Date.now() - readAt) / 1000);

function signed({ isStale, readAt }: KeySet): Signed {
  return isStale && readAt !== undefined ? { staleKeysSeconds: ageOf(readAt) } : {};
}

const UNKNOWN_KEY = "The token is signed with an unknown key.";

function invalid(step: TokenStep, facts: { readonly expected?: unknown; readonly found?: unknown }): Err {
  return refuseToken("credential_invalid", "The token is not valid.", { step, ...facts });
}
