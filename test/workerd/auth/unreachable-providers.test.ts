import { SignJWT, exportJWK, generateKeyPair } from "jose";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createTokens } from "../../../src/adapters/auth/tokens.ts";
import type { Issuer } from "../../../src/core/auth/rules/issuer.ts";
import { claims, codeOf, issuerWith, ring, verifyJwt, walk } from "./verify.ts";

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

const START = Date.now();
const DAY_SECONDS = 24 * 60 * 60;
let pair: Pair;
let keySet: string;
let issuer: Issuer;

beforeAll(async () => {
  pair = await generateKeyPair("ES256", { extractable: true });
  keySet = JSON.stringify({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: "k1" }] });
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
const sign = (kid?: string, key = pair.privateKey) =>
  claims(new SignJWT())
    .setExpirationTime(Math.floor(START / 1000) + 2 * DAY_SECONDS)
    .setProtectedHeader({ alg: "ES256", ...(kid !== undefined && { kid }) })
    .sign(key);
const newIsolate = () => createTokens(ring(["new", 1]), false);

/** Answers of the provider, one after the other; the last one again and again. */
function provider(...answers: readonly (() => Response)[]) {
  let next = 0;
  return vi.spyOn(globalThis, "fetch").mockImplementation(async () => {
    const answer = answers[Math.min(next++, answers.length - 1)];
    return answer?.() ?? new Response();
  });
}
const keys = () => new Response(keySet);
const down = () => new Response("down", { status: 503 });
const unreachable = (): Response => {
  throw new Error("no route");
};

describe("keys of a provider that is down", () => {
  it.each([
    ["answers 503", down],
    ["answers 429", () => new Response("slow down", { status: 429 })],
    ["cannot be reached", unreachable],
  ])("are used for a day by an isolate that has them, if it %s", async (_, trouble) => {
    const fetches = provider(keys, trouble);
    const tokens = newIsolate();
    const token = await sign("k1");
    expect(codeOf(await verifyJwt(tokens, token, issuer))).toBe("accepted");
    pass(600);
    expect(await walk(tokens, token, issuer)).toMatchObject({ ok: true, value: { staleKeysSeconds: 600 } });
    expect(fetches).toHaveBeenCalledTimes(2);
    // No request for 10 seconds.
    pass(9);
    expect(codeOf(await verifyJwt(tokens, token, issuer))).toBe("accepted");
    expect(fetches).toHaveBeenCalledTimes(2);
    pass(DAY_SECONDS - 610);
    expect(codeOf(await verifyJwt(tokens, token, issuer))).toBe("accepted");
    pass(1);
    expect(codeOf(await verifyJwt(tokens, token, issuer))).toBe("jwks_unavailable");
  });

  it("are used for a day by an isolate that has none, from the Cache API", async () => {
    provider(keys, down);
    const token = await sign("k1");
    expect(codeOf(await verifyJwt(newIsolate(), token, issuer))).toBe("accepted");
    pass(3_600);
    expect(await walk(newIsolate(), token, issuer)).toMatchObject({ ok: true, value: { staleKeysSeconds: 3_600 } });
    pass(DAY_SECONDS);
    expect(codeOf(await verifyJwt(newIsolate(), token, issuer))).toBe("jwks_unavailable");
  });

  it("are not used for tokens with another key", async () => {
    provider(keys, down);
    const tokens = newIsolate();
    await verifyJwt(tokens, await sign("k1"), issuer);
    pass(600);
    expect(codeOf(await verifyJwt(tokens, await sign("k2"), issuer))).toBe("jwks_unavailable");
  });

  it("are read again once it answers, and nothing is stale then", async () => {
    provider(keys, down, keys);
    const tokens = newIsolate();
    const token = await sign("k1");
    await verifyJwt(tokens, token, issuer);
    pass(600);
    await verifyJwt(tokens, token, issuer);
    pass(10);
    const outcome = await walk(tokens, token, issuer);
    expect(outcome.ok && "staleKeysSeconds" in outcome.value).toBe(false);
  });

  it("work although the Cache API does not", async () => {
    vi.spyOn(caches, "open").mockRejectedValue(new Error("not available"));
    provider(keys, down);
    const tokens = newIsolate();
    expect(codeOf(await verifyJwt(tokens, await sign("k1"), issuer))).toBe("accepted");
    pass(600);
    expect(codeOf(await verifyJwt(tokens, await sign("k1"), issuer))).toBe("accepted");
    expect(codeOf(await verifyJwt(newIsolate(), await sign("k1"), issuer))).toBe("jwks_unavailable");
  });
});

describe("a key that a provider has removed", () => {
  it.each<[string, () => Response, string]>([
    ["other keys", () => new Response('{"keys":[]}'), "credential_unknown_key"],
    ["404", () => new Response("gone", { status: 404 }), "jwks_unavailable"],
    ["something else", () => new Response("<html>"), "jwks_unavailable"],
  ])("is trusted for 10 minutes at most, if it answers with %s", async (_, answer, code) => {
    provider(keys, answer);
    const tokens = newIsolate();
    const token = await sign("k1");
    await verifyJwt(tokens, token, issuer);
    pass(599);
    expect(codeOf(await verifyJwt(tokens, token, issuer))).toBe("accepted");
    pass(1);
    expect(codeOf(await verifyJwt(tokens, token, issuer))).toBe(code);
    expect(codeOf(await verifyJwt(newIsolate(), token, issuer))).toBe(code);
  });
});

describe("a token without a kid", () => {
  it("makes the gateway ask for new keys once in 30 seconds", async () => {
    const newer = await generateKeyPair("ES256", { extractable: true });
    const rotated = JSON.stringify({ keys: [await exportJWK(newer.publicKey)] });
    const fetches = provider(keys, keys, () => new Response(rotated));
    const tokens = newIsolate();
    expect(codeOf(await verifyJwt(tokens, await sign(), issuer))).toBe("accepted");
    const token = await sign(undefined, newer.privateKey);
    for (let round = 0; round < 3; round++)
      expect(codeOf(await verifyJwt(tokens, token, issuer))).toBe("credential_invalid");
    expect(fetches).toHaveBeenCalledTimes(1);
    pass(30);
    expect(codeOf(await verifyJwt(tokens, token, issuer))).toBe("credential_invalid");
    pass(30);
    expect(codeOf(await verifyJwt(tokens, token, issuer))).toBe("accepted");
    expect(fetches).toHaveBeenCalledTimes(3);
  });
});

describe("readKeys", () => {
  it("returns how many keys there are, of which algorithms, and how old", async () => {
    provider(keys, down);
    const tokens = newIsolate();
    expect(await tokens.readKeys(issuer)).toEqual({ ok: true, value: { count: 1, algorithms: ["EC"], ageSeconds: 0 } });
    pass(600);
    expect(await tokens.readKeys(issuer)).toMatchObject({ value: { ageSeconds: 600, staleKeysSeconds: 600 } });
    const secrets = issuerWith({ kind: "secrets", secrets: [new Uint8Array(32), new Uint8Array(32)] }, ["HS256"]);
    expect(await tokens.readKeys(secrets)).toEqual({ ok: true, value: { count: 2, algorithms: ["secret"] } });
    pass(DAY_SECONDS);
    expect(await tokens.readKeys(issuer)).toMatchObject({ problem: { code: "jwks_unavailable" } });
  });
});
