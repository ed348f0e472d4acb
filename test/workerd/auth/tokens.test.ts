import { type JWK, SignJWT, UnsecuredJWT, exportJWK, generateKeyPair, importJWK, decodeJwt } from "jose";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createTokens } from "../../../src/adapters/auth/tokens.ts";
import type { KeyRing } from "../../../src/config.ts";
import type { Scope } from "../../../src/core/auth/rules/scopes.ts";
import type { Issuer } from "../../../src/core/auth/rules/issuer.ts";

const ring = (...keys: [id: string, fill: number][]) =>
  keys.map(([id, fill]) => ({ id, bytes: new Uint8Array(32).fill(fill) })) as unknown as KeyRing;
const tokens = createTokens(ring(["new", 1], ["old", 2]), true);
const now = Math.floor(Date.now() / 1000);

const fixed = {
  tenant: { kind: "fixed", id: "acme" },
  subject: { claims: ["sub"], namespace: "idp" },
  scopes: { kind: "fixed", scopes: new Set<Scope>() },
  authorizedParties: [],
  anyAudience: false,
  require: [],
  maxGrantSeconds: 60,
} as const;
const issuerWith = (keys: Issuer["keys"], algorithms: readonly string[]): Issuer => ({
  id: "idp",
  iss: "https://idp.example/",
  audiences: ["sluice"],
  algorithms,
  keys,
  ...fixed,
});

function claims(jwt: SignJWT): SignJWT {
  return jwt
    .setIssuer("https://idp.example/")
    .setAudience("sluice")
    .setSubject("user-1")
    .setExpirationTime(now + 60);
}

function codeOf(result: Awaited<ReturnType<typeof tokens.verifyJwt>>): string {
  return result.ok ? "accepted" : result.problem.code;
}

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

describe.each(["RS256", "PS256", "ES256", "EdDSA"])("Tokens.verifyJwt with %s", (algorithm) => {
  let pair: Pair;
  let other: Pair;
  let issuer: Issuer;

  beforeAll(async () => {
    pair = await generateKeyPair(algorithm, { extractable: true });
    other = await generateKeyPair(algorithm, { extractable: true });
    const key = { ...(await exportJWK(pair.publicKey)), kid: "k1", alg: algorithm };
    issuer = issuerWith({ kind: "jwks", jwks: { keys: [key] } }, [algorithm]);
  });

  const sign = (jwt: SignJWT, key = pair.privateKey, kid = "k1") =>
    jwt.setProtectedHeader({ alg: algorithm, kid }).sign(key);

  it("accepts a token signed with the issuer's key", async () => {
    const verified = await tokens.verifyJwt(await sign(claims(new SignJWT({ team: "red" }))), issuer);
    expect(verified).toMatchObject({ ok: true, value: { sub: "user-1", team: "red" } });
  });

  it("accepts a token that expired within the clock tolerance", async () => {
    const late = claims(new SignJWT()).setExpirationTime(now - 20);
    expect(codeOf(await tokens.verifyJwt(await sign(late), issuer))).toBe("accepted");
  });

  it.each<[string, string, (jwt: SignJWT) => SignJWT]>([
    ["expired", "credential_expired", (jwt) => jwt.setExpirationTime(now - 31)],
    ["not valid yet", "credential_not_yet_valid", (jwt) => jwt.setNotBefore(now + 300)],
    ["for another audience", "credential_wrong_audience", (jwt) => jwt.setAudience("someone-else")],
    ["from another issuer", "credential_invalid", (jwt) => jwt.setIssuer("https://evil.example/")],
  ])("refuses a token that is %s with %s", async (_, code, change) => {
    expect(codeOf(await tokens.verifyJwt(await sign(change(claims(new SignJWT()))), issuer))).toBe(code);
  });

  it("refuses a token without exp, which would be valid forever", async () => {
    const jwt = new SignJWT().setIssuer("https://idp.example/").setAudience("sluice").setSubject("user-1");
    expect(codeOf(await tokens.verifyJwt(await sign(jwt), issuer))).toBe("credential_invalid");
  });

  it("refuses an unknown kid, and a signature by another key", async () => {
    const unknown = await sign(claims(new SignJWT()), other.privateKey, "k2");
    expect(codeOf(await tokens.verifyJwt(unknown, issuer))).toBe("credential_unknown_key");
    const forged = await sign(claims(new SignJWT()), other.privateKey);
    expect(codeOf(await tokens.verifyJwt(forged, issuer))).toBe("credential_invalid");
  });

  it("refuses a changed payload or signature", async () => {
    const [header, payload = "", signature = ""] = (await sign(claims(new SignJWT({ tenant: "a" })))).split(".");
    const changed = btoa(JSON.stringify({ ...JSON.parse(atob(payload)), tenant: "b" })).replaceAll("=", "");
    expect(codeOf(await tokens.verifyJwt(`${header}.${changed}.${signature}`, issuer))).toBe("credential_invalid");
    const swapped = signature.startsWith("A") ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
    expect(codeOf(await tokens.verifyJwt(`${header}.${payload}.${swapped}`, issuer))).toBe("credential_invalid");
  });

  it("refuses a token signed with the public key as an HMAC secret", async () => {
    const publicKey = new TextEncoder().encode(JSON.stringify(await exportJWK(pair.publicKey)));
    const confused = await claims(new SignJWT()).setProtectedHeader({ alg: "HS256", kid: "k1" }).sign(publicKey);
    expect(codeOf(await tokens.verifyJwt(confused, issuer))).toBe("credential_invalid");
  });
});

describe("Tokens.verifyJwt with a key for several algorithms", () => {
  it("refuses an algorithm that the issuer does not use, even if the key fits", async () => {
    const pair = await generateKeyPair("RS256", { extractable: true });
    const issuer = issuerWith({ kind: "jwks", jwks: { keys: [await exportJWK(pair.publicKey)] } }, ["RS256"]);
    const { n, e, d, p, q, dp, dq, qi } = await exportJWK(pair.privateKey);
    const jwk = { kty: "RSA", alg: "PS256", n, e, d, p, q, dp, dq, qi };
    const jwt = await claims(new SignJWT())
      .setProtectedHeader({ alg: "PS256" })
      .sign(await importJWK(jwk as JWK));
    expect(codeOf(await tokens.verifyJwt(jwt, issuer))).toBe("credential_invalid");
  });
});

describe("Tokens.verifyJwt with HS256", () => {
  const secret = new Uint8Array(32).fill(9);
  const issuer = issuerWith({ kind: "secrets", secrets: [secret] }, ["HS256"]);
  const sign = (key = secret, alg = "HS256") => claims(new SignJWT()).setProtectedHeader({ alg }).sign(key);

  it("accepts only the issuer's secret", async () => {
    expect(codeOf(await tokens.verifyJwt(await sign(), issuer))).toBe("accepted");
    expect(codeOf(await tokens.verifyJwt(await sign(new Uint8Array(32).fill(8)), issuer))).toBe("credential_invalid");
  });

  it("refuses another algorithm, and an unsigned token", async () => {
    expect(codeOf(await tokens.verifyJwt(await sign(new Uint8Array(64).fill(9), "HS512"), issuer))).toBe(
      "credential_invalid",
    );
    const unsecured = new UnsecuredJWT().setIssuer("https://idp.example/").setAudience("sluice").encode();
    expect(codeOf(await tokens.verifyJwt(unsecured, issuer))).toBe("credential_invalid");
  });
});

describe("Tokens.verifyJwt with a JWKS URL", () => {
  const url = "https://idp.example/jwks";
  const issuer = issuerWith({ kind: "jwks-url", url }, ["ES256"]);
  const START = Date.now();
  let pair: Pair;
  let keySet: string;

  beforeAll(async () => {
    pair = await generateKeyPair("ES256", { extractable: true });
    keySet = JSON.stringify({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: "k1", alg: "ES256" }] });
  });
  beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: START }));
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1_000);
  const sign = (kid: string) =>
    claims(new SignJWT())
      .setExpirationTime(Math.floor(START / 1000) + 3_600)
      .setProtectedHeader({ alg: "ES256", kid })
      .sign(pair.privateKey);

  it("accepts cached keys while the provider is down and other tokens have unknown kids", async () => {
    const provider = vi.spyOn(globalThis, "fetch").mockResolvedValueOnce(new Response(keySet));
    provider.mockResolvedValue(new Response("down", { status: 503 }));
    const here = createTokens(ring(["new", 1]), false);
    expect(codeOf(await here.verifyJwt(await sign("k1"), issuer))).toBe("accepted");

    pass(60);
    for (let round = 0; round < 3; round++) {
      expect(codeOf(await here.verifyJwt(await sign("unknown"), issuer))).toBe("jwks_unavailable");
      expect(codeOf(await here.verifyJwt(await sign("k1"), issuer))).toBe("accepted");
    }
    expect(provider).toHaveBeenCalledTimes(2);
    pass(9.999);
    expect(codeOf(await here.verifyJwt(await sign("unknown"), issuer))).toBe("jwks_unavailable");
    expect(provider).toHaveBeenCalledTimes(2);
    pass(0.001);
    expect(codeOf(await here.verifyJwt(await sign("unknown"), issuer))).toBe("jwks_unavailable");
    expect(provider).toHaveBeenCalledTimes(3);
  });

  it("requests the keys once for tokens that arrive together, also for those with unknown kids and of a provider that is down", async () => {
    const provider = vi.spyOn(globalThis, "fetch");
    const here = createTokens(ring(["new", 1]), false);
    const together = async (kids: readonly string[], answer: Response) => {
      provider.mockReset().mockImplementation(async () => {
        await scheduler.wait(100);
        return answer;
      });
      const jwts = await Promise.all(kids.map(sign));
      const codes = await Promise.all(jwts.map(async (jwt) => codeOf(await here.verifyJwt(jwt, issuer))));
      return [...codes, provider.mock.calls.length];
    };
    expect(await together(["k1", "k1", "unknown", "unknown"], new Response(keySet))).toEqual([
      "accepted",
      "accepted",
      "credential_unknown_key",
      "credential_unknown_key",
      1,
    ]);
    pass(30);
    const rotated = keySet.replace('"k1"', '"k2"');
    expect(await together(["k2", "k2", "k1", "unknown"], new Response(rotated))).toEqual([
      "accepted",
      "accepted",
      "accepted",
      "credential_unknown_key",
      1,
    ]);
    pass(600);
    expect(await together(["k2", "k2", "unknown"], new Response("down", { status: 503 }))).toEqual([
      "jwks_unavailable",
      "jwks_unavailable",
      "jwks_unavailable",
      1,
    ]);
  });

  it.each<[string, () => Response | Error]>([
    ["cannot be reached", () => new Error("no route")],
    ["redirects", () => Response.redirect("https://idp.example/other")],
    ["is not JSON", () => new Response("<html>")],
    ["is not a key set", () => new Response('{"keys":5}')],
    ["is too large", () => new Response(keySet + " ".repeat(200_000))],
  ])("returns jwks_unavailable if the key set %s, and does not request it again for 10 seconds", async (_, answer) => {
    const provider = vi.spyOn(globalThis, "fetch").mockImplementation(async () => {
      const response = answer();
      if (response instanceof Error) throw response;
      return response;
    });
    const here = createTokens(ring(["new", 1]), false);
    for (let round = 0; round < 3; round++)
      expect(codeOf(await here.verifyJwt(await sign("k1"), issuer))).toBe("jwks_unavailable");
    expect(provider).toHaveBeenCalledTimes(1);
    expect(provider.mock.calls[0]?.[1]).toMatchObject({ redirect: "manual" });
    pass(10);
    provider.mockResolvedValue(new Response(keySet));
    expect(codeOf(await here.verifyJwt(await sign("k1"), issuer))).toBe("accepted");
  });
});

describe("Tokens.verifyJwt with a stored JWKS URL that is no longer allowed", () => {
  it.each(["http://localhost:8080/jwks", "https://169.254.169.254/jwks", "https://idp.default.svc/jwks"])(
    "requests no key set from %s",
    async (url) => {
      const provider = vi.spyOn(globalThis, "fetch");
      const jwt = await claims(new SignJWT())
        .setProtectedHeader({ alg: "ES256" })
        .sign((await generateKeyPair("ES256")).privateKey);
      const issuer = issuerWith({ kind: "jwks-url", url }, ["ES256"]);
      expect(codeOf(await createTokens(ring(["new", 1]), false).verifyJwt(jwt, issuer))).toBe("jwks_unavailable");
      expect(provider).not.toHaveBeenCalled();
      provider.mockRestore();
    },
  );
});

describe("Tokens.signGrant and Tokens.verifyGrant", () => {
  const grant = {
    id: "jti-1",
    tenant: "acme",
    issuedAt: now,
    expiresAt: now + 60,
    uploads: 1,
    mintedBy: { key: "k1" },
  };

  it("verifies a signed grant and returns all its fields", async () => {
    const mintedBy = { issuer: "idp", iss: "https://idp.example/" };
    const full = {
      ...grant,
      person: { namespace: "tenant", subject: "user-1" },
      policy: { upload: { maxBytes: 5 } },
      uploads: 50,
      reference: "order 7",
      mintedBy,
    };
    for (const one of [grant, full]) {
      const token = await tokens.signGrant(one);
      expect(tokens.peek(token)).toEqual({ kind: "grant" });
      expect(await tokens.verifyGrant(token)).toEqual({ ok: true, value: one });
    }
  });

  it.each([
    [
      { namespace: "tenant", subject: "zoë" },
      { sub: "zoë", ns: undefined },
    ],
    [
      { namespace: "auth0", subject: "user-1" },
      { sub: undefined, ns: ["auth0", "user-1"] },
    ],
  ])("writes and reads %j, and the version before sees a subject of the tenant's only: %j", async (person, claims) => {
    const token = await tokens.signGrant({ ...grant, person });
    const { sub, ns } = decodeJwt(token);
    expect({ sub, ns }).toEqual(claims);
    expect(await tokens.verifyGrant(token)).toMatchObject({ value: { person } });
  });

  it("accepts a grant after its signing key was rotated, and refuses it after the key was removed", async () => {
    const token = await createTokens(ring(["old", 2]), false).signGrant(grant);
    expect((await tokens.verifyGrant(token)).ok).toBe(true);
    const after = await createTokens(ring(["new", 1]), false).verifyGrant(token);
    expect(after).toMatchObject({ ok: false, problem: { code: "credential_unknown_key" } });
  });

  it("refuses a grant from the second in which it expires", async () => {
    const token = await tokens.signGrant({ ...grant, expiresAt: now - 1 });
    expect(await tokens.verifyGrant(token)).toMatchObject({ ok: false, problem: { code: "credential_expired" } });
  });

  it("accepts an expired grant for a time of grace", async () => {
    const token = await tokens.signGrant({ ...grant, expiresAt: now - 60 });
    expect((await tokens.verifyGrant(token, 120)).ok).toBe(true);
    expect(await tokens.verifyGrant(token, 59)).toMatchObject({ problem: { code: "credential_expired" } });
  });

  it("reads a grant of version 0.1 as one for a single file", async () => {
    const jwt = new SignJWT({ mintedBy: { key: "k1" } }).setIssuer("sluice").setAudience("acme").setJti("jti-1");
    const header = { alg: "HS256", kid: "new", typ: "grant+jwt" };
    const key = new Uint8Array(32).fill(1);
    const token = await jwt
      .setIssuedAt(now)
      .setExpirationTime(now + 60)
      .setProtectedHeader(header)
      .sign(key);
    expect(await tokens.verifyGrant(token)).toEqual({ ok: true, value: grant });
  });

  it("refuses a JWT that is not a grant, even with the same secret", async () => {
    const key = new Uint8Array(32).fill(1);
    const jwt = new SignJWT().setIssuer("sluice").setAudience("acme").setJti("j").setIssuedAt().setExpirationTime("1h");
    const token = await jwt.setProtectedHeader({ alg: "HS256", kid: "new", typ: "JWT" }).sign(key);
    expect(tokens.peek(token)).toMatchObject({ kind: "jwt" });
    expect(await tokens.verifyGrant(token)).toMatchObject({ ok: false, problem: { code: "credential_invalid" } });
  });
});

describe("Tokens.peek", () => {
  it("returns undefined for claims of the wrong type", () => {
    const unsigned = (claims: object) =>
      `${btoa('{"alg":"HS256"}')}.${btoa(JSON.stringify(claims))}.`.replaceAll("=", "");
    for (const iss of [5, null, true, {}, ["https://idp.example/"]])
      expect(tokens.peek(unsigned({ iss }))).toBeUndefined();
    for (const aud of [5, null, true, {}, [1], [["sluice"]]]) expect(tokens.peek(unsigned({ aud }))).toBeUndefined();
    expect(tokens.peek(unsigned({ aud: "sluice" }))).toEqual({ kind: "jwt", iss: "", audiences: ["sluice"] });
  });

  it.each(["", "a", "a.b", "a.b.c", "....", "slu_x", "eyJhbGciOiJub25lIn0", "e30.e30.", "e30.W10.e30"])(
    "does not throw for %j",
    (text) => {
      expect(tokens.peek(text)?.kind ?? "none").toMatch(/^(?:none|jwt)$/);
    },
  );
});
