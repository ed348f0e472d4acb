import { type AuthenticatePorts, authenticate } from "../../src/core/auth/authenticate.ts";
import type { Credentials } from "../../src/core/auth/rules/credential.ts";
import type { SignatureChecks, UnverifiedToken } from "../../src/core/ports/tokens.ts";
import { type ApiKeyRecord, formatApiKey } from "../../src/core/auth/rules/api-key.ts";
import type { Grant } from "../../src/core/auth/rules/grant.ts";
import type { Issuer } from "../../src/core/auth/rules/issuer.ts";
import type { Scope } from "../../src/core/auth/rules/scopes.ts";
import { type Result, ok } from "../../src/core/shared/result.ts";
import type { Tenant } from "../../src/core/shared/tenant.ts";
import { NOON, policyOf } from "./policy-fixtures.ts";

export const { id: KEY_ID, text: KEY } = formatApiKey("a".repeat(16), "b".repeat(43));
export const ALL_SCOPES: ReadonlySet<Scope> = new Set(["uploads:create", "uploads:read", "grants:create"] as const);
export const ISS = "https://idp.example/";

export const tenant: Tenant = {
  id: "acme",
  policy: [policyOf({})],
  limits: {},
  upstream: "default",
  suspended: false,
  unfinishedUploads: "delete",
  version: 5,
};
export const keyRecord: ApiKeyRecord = {
  id: KEY_ID,
  tenant: "acme",
  hash: new TextEncoder().encode(KEY),
  scopes: ALL_SCOPES,
  revoked: false,
  version: 4,
};
export const issuer: Issuer = {
  id: "idp",
  iss: ISS,
  audiences: ["sluice"],
  authorizedParties: [],
  anyAudience: false,
  algorithms: ["HS256"],
  keys: { kind: "secrets", secrets: [new Uint8Array(32)] },
  tenant: { kind: "fixed", id: "acme" },
  subject: { claims: ["sub"], namespace: "idp" },
  scopes: { kind: "fixed", scopes: ALL_SCOPES },
  require: [],
  maxGrantSeconds: 3_600,
  version: 3,
};
export const grant: Grant = {
  id: "jti-1",
  tenant: "acme",
  issuedAt: NOON,
  expiresAt: NOON + 60,
  uploads: 1,
  mintedBy: { key: KEY_ID },
};

interface World {
  readonly tenant: Tenant | undefined;
  readonly key: ApiKeyRecord | undefined;
  readonly issuers: readonly Issuer[];
  readonly claims: Readonly<Record<string, unknown>>;
  readonly grant: Grant;
  /** What the signature of a JWT says with an issuer. */
  readonly signature: (issuer: Issuer, checks: SignatureChecks) => Result<object>;
}

/** Claims of a JWT that `issuer` accepts. */
export const CLAIMS = { iss: ISS, aud: "sluice", sub: "user-1", exp: NOON + 60 };

/** Tokens are `jwt` and `grant`; the hash of a key is its text. `chosen` collects the issuers that verify a JWT. */
export function portsOf(world: Partial<World>, chosen: Issuer[] = []): AuthenticatePorts {
  const { issuers, signature, ...rest } = { issuers: [issuer], signature: () => ok({}), ...world };
  const claims = { ...CLAIMS, ...world.claims };
  const found = { tenant, key: keyRecord, grant, ...rest };
  const peek = (text: string): UnverifiedToken | undefined => {
    if (text === "grant") return { kind: "grant" };
    return text === "jwt" ? { kind: "jwt", text, alg: "HS256", iss: claims.iss, claims } : undefined;
  };
  return {
    now: () => NOON,
    hashes: {
      matches: (text, hash) => Promise.resolve(text === new TextDecoder().decode(hash)),
      digest: (text) => Promise.resolve(text),
      shortDigest: (text) => Promise.resolve(text),
      equal: (a, b) => Promise.resolve(a === b),
    },
    tokens: {
      peek,
      verifyGrant: () => Promise.resolve(ok(found.grant)),
      signGrant: () => Promise.resolve("grant"),
      verifySignature: (_, issuer, checks) => {
        chosen.push(issuer);
        return Promise.resolve(signature(issuer, checks));
      },
      readKeys: () => Promise.resolve(ok({ count: 1, algorithms: ["secret"] })),
    },
    registry: {
      tenant: (id) => Promise.resolve(ok(id === "acme" ? found.tenant : undefined)),
      prospect: () => Promise.resolve(ok(undefined)),
      apiKey: (id) => Promise.resolve(ok(id === KEY_ID ? found.key : undefined)),
      issuers: (iss) => Promise.resolve(ok(iss === ISS ? issuers : [])),
      issuersWithHeader: () => Promise.resolve(ok(issuers.filter(({ header }) => header))),
      upstream: () => Promise.resolve(ok(undefined)),
      signingKey: () => Promise.resolve(ok(undefined)),
      endpoints: () => Promise.resolve(ok([])),
    },
  };
}

/** A request for the tenant acme with these headers, in lower case. */
export const sent = (headers: Readonly<Record<string, string>>, grant?: string): Credentials => ({
  tenant: "acme",
  header: (name) => headers[name],
  grant,
});
export const bearer = (token: string): Credentials => sent({ authorization: `Bearer ${token}` });

export async function outcomeOf(ports: AuthenticatePorts, credentials: Credentials, scope: Scope = "uploads:create") {
  const access = await authenticate(ports, credentials, scope);
  return access.ok ? access.value.caller : access.problem.code;
}
