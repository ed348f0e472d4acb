import { SignJWT, exportJWK, generateKeyPair } from "jose";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createTokens } from "../../../src/adapters/auth/tokens.ts";
import type { Issuer } from "../../../src/core/auth/rules/issuer.ts";
import { claims, codeOf, issuerWith, ring, verifyJwt } from "./verify.ts";

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

describe("a JWT with a JWKS URL", () => {
  let issuer: Issuer;
  const START = Date.now();
  let pair: Pair;
  let keySet: string;

  beforeAll(async () => {
    pair = await generateKeyPair("ES256", { extractable: true });
    keySet = JSON.stringify({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: "k1", alg: "ES256" }] });
  });
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: START });
    // The Cache API keeps the keys of each URL.
    issuer = issuerWith({ kind: "jwks-url", url: `https://idp.example/${crypto.randomUUID()}` }, ["ES256"]);
  });
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
    expect(codeOf(await verifyJwt(here, await sign("k1"), issuer))).toBe("accepted");

    pass(60);
    for (let round = 0; round < 3; round++) {
      expect(codeOf(await verifyJwt(here, await sign("unknown"), issuer))).toBe("jwks_unavailable");
      expect(codeOf(await verifyJwt(here, await sign("k1"), issuer))).toBe("accepted");
    }
    expect(provider).toHaveBeenCalledTimes(2);
    pass(9.999);
    expect(codeOf(await verifyJwt(here, await sign("unknown"), issuer))).toBe("jwks_unavailable");
    expect(provider).toHaveBeenCalledTimes(2);
    pass(0.001);
    expect(codeOf(await verifyJwt(here, await sign("unknown"), issuer))).toBe("jwks_unavailable");
    expect(provider).toHaveBeenCalledTimes(3);
  });

  it("reads the keys again for a token with a kid, if those that it was tried with have none", async () => {
    const nameless = (publicKey: object) => new Response(JSON.stringify({ keys: [publicKey] }));
    const other = await generateKeyPair("ES256", { extractable: true });
    const provider = vi.spyOn(globalThis, "fetch").mockResolvedValueOnce(nameless(await exportJWK(other.publicKey)));
    provider.mockResolvedValueOnce(nameless(await exportJWK(pair.publicKey)));
    const here = createTokens(ring(["new", 1]), false);
    expect(codeOf(await verifyJwt(here, await sign("k1"), issuer))).toBe("credential_invalid");
    pass(30);
    expect(codeOf(await verifyJwt(here, await sign("k1"), issuer))).toBe("accepted");
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
      const codes = await Promise.all(jwts.map(async (jwt) => codeOf(await verifyJwt(here, jwt, issuer))));
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
      "accepted",
      "accepted",
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
      expect(codeOf(await verifyJwt(here, await sign("k1"), issuer))).toBe("jwks_unavailable");
    expect(provider).toHaveBeenCalledTimes(1);
    expect(provider.mock.calls[0]?.[1]).toMatchObject({ redirect: "manual" });
    pass(10);
    provider.mockResolvedValue(new Response(keySet));
    expect(codeOf(await verifyJwt(here, await sign("k1"), issuer))).toBe("accepted");
  });
});

describe("a JWT with a stored JWKS URL that is no longer allowed", () => {
  it.each(["http://localhost:8080/jwks", "https://169.254.169.254/jwks", "https://idp.default.svc/jwks"])(
    "requests no key set from %s",
    async (url) => {
      const provider = vi.spyOn(globalThis, "fetch");
      const jwt = await claims(new SignJWT())
        .setProtectedHeader({ alg: "ES256" })
        .sign((await generateKeyPair("ES256")).privateKey);
      const issuer = issuerWith({ kind: "jwks-url", url }, ["ES256"]);
      expect(codeOf(await verifyJwt(createTokens(ring(["new", 1]), false), jwt, issuer))).toBe("jwks_unavailable");
      expect(provider).not.toHaveBeenCalled();
      provider.mockRestore();
    },
  );
});
