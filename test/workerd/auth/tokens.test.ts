import { type JWK, SignJWT, UnsecuredJWT, exportJWK, generateKeyPair, importJWK } from "jose";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createTokens } from "../../../src/adapters/auth/tokens.ts";
import type { KeyRing } from "../../../src/config.ts";
import type { Scope } from "../../../src/core/auth/rules/scopes.ts";
import type { Issuer } from "../../../src/core/auth/rules/issuer.ts";

const ring = (...keys: [id: string, fill: number][]) =>
  keys.map(([id, fill]) => ({ id, bytes: new Uint8Array(32).fill(fill) })) as unknown as KeyRing;
const tokens = createTokens(ring(["new", 1], ["old", 2]), true);
const now = Math.floor(Date.now() / 1000);

const fixed = { tenant: { kind: "fixed", id: "acme" }, subjectClaim: "sub", scopes: new Set<Scope>() } as const;
const issuerWith = (keys: Issuer["keys"], algorithms: readonly string[]): Issuer => ({
  id: "idp",
  iss: "https://idp.example/",
  audience: "sluice",
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

describe.each(["RS256", "PS256", "ES256", "EdDSA"])("a JWT by %s", (algorithm) => {
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

  it("of the issuer's key is accepted", async () => {
    const verified = await tokens.verifyJwt(await sign(claims(new SignJWT({ team: "red" }))), issuer);
    expect(verified).toMatchObject({ ok: true, value: { sub: "user-1", team: "red" } });
  });

  it("of a clock that is a little behind is accepted", async () => {
    const late = claims(new SignJWT()).setExpirationTime(now - 20);
    expect(codeOf(await tokens.verifyJwt(await sign(late), issuer))).toBe("accepted");
  });

  it.each<[string, string, (jwt: SignJWT) => SignJWT]>([
    ["expired", "credential_expired", (jwt) => jwt.setExpirationTime(now - 31)],
    ["not yet valid", "credential_not_yet_valid", (jwt) => jwt.setNotBefore(now + 300)],
    ["for another audience", "credential_wrong_audience", (jwt) => jwt.setAudience("someone-else")],
    ["of another issuer", "credential_invalid", (jwt) => jwt.setIssuer("https://evil.example/")],
  ])("that is %s is refused: %s", async (_, code, change) => {
    expect(codeOf(await tokens.verifyJwt(await sign(change(claims(new SignJWT()))), issuer))).toBe(code);
  });

  it("without an expiry is refused: it would be good for ever", async () => {
    const jwt = new SignJWT().setIssuer("https://idp.example/").setAudience("sluice").setSubject("user-1");
    expect(codeOf(await tokens.verifyJwt(await sign(jwt), issuer))).toBe("credential_invalid");
  });

  it("of an unknown key, or with another key's signature, is refused", async () => {
    const unknown = await sign(claims(new SignJWT()), other.privateKey, "k2");
    expect(codeOf(await tokens.verifyJwt(unknown, issuer))).toBe("credential_unknown_key");
    const forged = await sign(claims(new SignJWT()), other.privateKey);
    expect(codeOf(await tokens.verifyJwt(forged, issuer))).toBe("credential_invalid");
  });

  it("is refused with its payload or its signature changed", async () => {
    const [header, payload = "", signature = ""] = (await sign(claims(new SignJWT({ tenant: "a" })))).split(".");
    const changed = btoa(JSON.stringify({ ...JSON.parse(atob(payload)), tenant: "b" })).replaceAll("=", "");
    expect(codeOf(await tokens.verifyJwt(`${header}.${changed}.${signature}`, issuer))).toBe("credential_invalid");
    const swapped = signature.startsWith("A") ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
    expect(codeOf(await tokens.verifyJwt(`${header}.${payload}.${swapped}`, issuer))).toBe("credential_invalid");
  });

  it("signed with the public key as if it were an HMAC secret is refused", async () => {
    const publicKey = new TextEncoder().encode(JSON.stringify(await exportJWK(pair.publicKey)));
    const confused = await claims(new SignJWT()).setProtectedHeader({ alg: "HS256", kid: "k1" }).sign(publicKey);
    expect(codeOf(await tokens.verifyJwt(confused, issuer))).toBe("credential_invalid");
  });
});

it("a JWT by an algorithm that its issuer does not use is refused, though the key is good for it", async () => {
  const pair = await generateKeyPair("RS256", { extractable: true });
  const issuer = issuerWith({ kind: "jwks", jwks: { keys: [await exportJWK(pair.publicKey)] } }, ["RS256"]);
  const { n, e, d, p, q, dp, dq, qi } = await exportJWK(pair.privateKey);
  const jwk = { kty: "RSA", alg: "PS256", n, e, d, p, q, dp, dq, qi };
  const jwt = await claims(new SignJWT())
    .setProtectedHeader({ alg: "PS256" })
    .sign(await importJWK(jwk as JWK));
  expect(codeOf(await tokens.verifyJwt(jwt, issuer))).toBe("credential_invalid");
});

describe("a JWT by HS256", () => {
  const secret = new Uint8Array(32).fill(9);
  const issuer = issuerWith({ kind: "secret", secret }, ["HS256"]);
  const sign = (key = secret, alg = "HS256") => claims(new SignJWT()).setProtectedHeader({ alg }).sign(key);

  it("is accepted with the issuer's secret only", async () => {
    expect(codeOf(await tokens.verifyJwt(await sign(), issuer))).toBe("accepted");
    expect(codeOf(await tokens.verifyJwt(await sign(new Uint8Array(32).fill(8)), issuer))).toBe("credential_invalid");
  });

  it("is refused by another algorithm, and without any", async () => {
    expect(codeOf(await tokens.verifyJwt(await sign(new Uint8Array(64).fill(9), "HS512"), issuer))).toBe(
      "credential_invalid",
    );
    const unsecured = new UnsecuredJWT().setIssuer("https://idp.example/").setAudience("sluice").encode();
    expect(codeOf(await tokens.verifyJwt(unsecured, issuer))).toBe("credential_invalid");
  });
});

describe("a JWT of an issuer whose key set is at a URL", () => {
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

  it("is accepted by the keys that are kept, whatever others make of a provider that is down", async () => {
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

  it.each<[string, () => Response | Error]>([
    ["that cannot be reached", () => new Error("no route")],
    ["that is no JSON", () => new Response("<html>")],
    ["that is none", () => new Response('{"keys":5}')],
    ["that is too large", () => new Response(keySet + " ".repeat(200_000))],
  ])("is neither accepted nor refused by a key set %s, which is left alone for a while", async (_, answer) => {
    const provider = vi.spyOn(globalThis, "fetch").mockImplementation(async () => {
      const given = answer();
      if (given instanceof Error) throw given;
      return given;
    });
    const here = createTokens(ring(["new", 1]), false);
    for (let round = 0; round < 3; round++)
      expect(codeOf(await here.verifyJwt(await sign("k1"), issuer))).toBe("jwks_unavailable");
    expect(provider).toHaveBeenCalledTimes(1);
    pass(10);
    provider.mockResolvedValue(new Response(keySet));
    expect(codeOf(await here.verifyJwt(await sign("k1"), issuer))).toBe("accepted");
  });
});

it("a JWT of an issuer whose key set is at a URL that is not allowed any more is not verified by it", async () => {
  const provider = vi.spyOn(globalThis, "fetch");
  const jwt = await claims(new SignJWT())
    .setProtectedHeader({ alg: "ES256" })
    .sign((await generateKeyPair("ES256")).privateKey);
  const issuer = issuerWith({ kind: "jwks-url", url: "http://localhost:8080/jwks" }, ["ES256"]);
  expect(codeOf(await createTokens(ring(["new", 1]), false).verifyJwt(jwt, issuer))).toBe("jwks_unavailable");
  expect(provider).not.toHaveBeenCalled();
  provider.mockRestore();
});

describe("grants", () => {
  const grant = { id: "jti-1", tenant: "acme", issuedAt: now, expiresAt: now + 60, mintedBy: { key: "k1" } };

  it("are read as they were signed", async () => {
    const mintedBy = { issuer: "idp", iss: "https://idp.example/" };
    const full = { ...grant, subject: "user-1", policy: { upload: { maxBytes: 5 } }, mintedBy };
    for (const one of [grant, full]) {
      const token = await tokens.signGrant(one);
      expect(tokens.peek(token)).toEqual({ kind: "grant" });
      expect(await tokens.verifyGrant(token)).toEqual({ ok: true, value: one });
    }
  });

  it("outlive the rotation of the key that signed them, and not its removal", async () => {
    const token = await createTokens(ring(["old", 2]), false).signGrant(grant);
    expect((await tokens.verifyGrant(token)).ok).toBe(true);
    const after = await createTokens(ring(["new", 1]), false).verifyGrant(token);
    expect(after).toMatchObject({ ok: false, problem: { code: "credential_unknown_key" } });
  });

  it("are refused once they have expired, to the second", async () => {
    const token = await tokens.signGrant({ ...grant, expiresAt: now - 1 });
    expect(await tokens.verifyGrant(token)).toMatchObject({ ok: false, problem: { code: "credential_expired" } });
  });

  it("are not to be had from an identity provider, even with the same secret", async () => {
    const key = new Uint8Array(32).fill(1);
    const jwt = new SignJWT().setIssuer("sluice").setAudience("acme").setJti("j").setIssuedAt().setExpirationTime("1h");
    const token = await jwt.setProtectedHeader({ alg: "HS256", kid: "new", typ: "JWT" }).sign(key);
    expect(tokens.peek(token)).toMatchObject({ kind: "jwt" });
    expect(await tokens.verifyGrant(token)).toMatchObject({ ok: false, problem: { code: "credential_invalid" } });
  });
});

describe("peek", () => {
  it("takes claims of the wrong type for no JWT, since others read them as text", () => {
    const unsigned = (claims: object) =>
      `${btoa('{"alg":"HS256"}')}.${btoa(JSON.stringify(claims))}.`.replaceAll("=", "");
    for (const iss of [5, null, true, {}, ["https://idp.example/"]])
      expect(tokens.peek(unsigned({ iss }))).toBeUndefined();
    for (const aud of [5, null, true, {}, [1], [["sluice"]]]) expect(tokens.peek(unsigned({ aud }))).toBeUndefined();
    expect(tokens.peek(unsigned({ aud: "sluice" }))).toEqual({ kind: "jwt", iss: "", audiences: ["sluice"] });
  });

  it.each(["", "a", "a.b", "a.b.c", "....", "slu_x", "eyJhbGciOiJub25lIn0", "e30.e30.", "e30.W10.e30"])(
    "takes %j for nothing, or for a token of nobody, and does not throw",
    (text) => {
      expect(tokens.peek(text)?.kind ?? "nothing").toMatch(/^(?:nothing|jwt)$/);
    },
  );
});
