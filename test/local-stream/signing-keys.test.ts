import { createPrivateKey } from "node:crypto";
import Cloudflare from "cloudflare";
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, importJWK, jwtVerify } from "jose";
import type { JWK } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createStreamClient } from "../../src/local-stream/client.ts";
import type { LocalStream } from "../../src/local-stream/local-stream.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { tmpFolder } from "../support/files.ts";

const HOUR_SECONDS = 3_600;

interface Key {
  readonly id: string;
  readonly pem: string;
  readonly jwk: string;
  readonly created: string;
}

const dataDir = tmpFolder();
let stream: LocalStream;
let client: ReturnType<typeof createStreamClient>;
let uid: string;

beforeAll(async () => {
  stream = await startLocalStream({ dataDir });
  client = createStreamClient(stream);
});
afterAll(() => stream.close());
beforeEach(async () => {
  stream.reset();
  ({ uid } = await client.createUpload(1));
});

const createKey = async () => (await client.api<Key>("POST", "/keys")).result;
const decode = (base64: string) => Buffer.from(base64, "base64").toString("utf8");
const jwkOf = (key: Key) => JSON.parse(decode(key.jwk)) as JWK;
const now = () => Math.floor(Date.now() / 1_000);

async function createToken(body?: object) {
  const answer = await client.api<{ token: string }>("POST", `/${uid}/token`, body);
  expect(answer.status).toBe(200);
  return answer.result.token;
}

describe("signing keys", () => {
  it("are shown once, as PEM and as JWK in base64, and then by id", async () => {
    const key = await createKey();
    const jwk = jwkOf(key);
    expect(jwk).toMatchObject({ use: "sig", kty: "RSA", kid: key.id, alg: "RS256", d: expect.any(String) });
    const privateKey = createPrivateKey(decode(key.pem));
    expect(privateKey.asymmetricKeyDetails?.modulusLength).toBe(2_048);
    expect(privateKey.equals(createPrivateKey({ key: { ...jwk }, format: "jwk" }))).toBe(true);
    expect((await client.api("GET", "/keys")).result).toEqual([{ id: key.id, created: key.created }]);
  });

  it("are created, listed and deleted by the SDK", async () => {
    const sdk = new Cloudflare({ apiToken: stream.token, baseURL: stream.apiBase, maxRetries: 0 }).stream.keys;
    const account_id = stream.accountId;
    const { id = "" } = await sdk.create({ account_id });
    const ids = [];
    for await (const key of sdk.get({ account_id })) ids.push(key.id);
    expect(ids).toEqual([id]);
    await sdk.delete(id, { account_id });
    await expect(sdk.delete(id, { account_id })).rejects.toMatchObject({ status: 404 });
  });

  it("survive a restart, and not a reset", async () => {
    const key = await createKey();
    await stream.close();
    stream = await startLocalStream({ dataDir });
    client = createStreamClient(stream);
    expect((await client.api("GET", "/keys")).result).toMatchObject([{ id: key.id }]);
    stream.reset();
    expect((await client.api("GET", "/keys")).result).toEqual([]);
  });
});

describe("POST /:uid/token", () => {
  it("signs by the account's newest key, for an hour unless told otherwise", async () => {
    await createKey();
    const key = await createKey();
    const token = await createToken();
    expect(decodeProtectedHeader(token)).toEqual({ alg: "RS256", kid: key.id });
    const { payload } = await jwtVerify(token, createLocalJWKSet({ keys: [jwkOf(key)].map(publicJwk) }));
    const time = now();
    expect(payload).toEqual({ sub: uid, kid: key.id, exp: expect.any(Number), nbf: expect.any(Number) });
    expect(Math.abs((payload.exp ?? 0) - time - HOUR_SECONDS)).toBeLessThan(5);
    expect(Math.abs(time - (payload.nbf ?? 0) - HOUR_SECONDS)).toBeLessThan(5);
  });

  it("signs by a key of its own, that no list shows, for an account without keys", async () => {
    const first = decodeProtectedHeader(await createToken()).kid;
    expect(decodeProtectedHeader(await createToken()).kid).toBe(first);
    expect((await client.api("GET", "/keys")).result).toEqual([]);
  });

  it("signs by the key that the body has", async () => {
    const key = await createKey();
    await createKey();
    const token = await createToken({ id: key.id, pem: key.pem });
    const { payload } = await jwtVerify(token, await importJWK(publicJwk(jwkOf(key)), "RS256"));
    expect(payload).toMatchObject({ sub: uid, kid: key.id });
  });

  it("says what the body says", async () => {
    const body = {
      exp: now() + 86_400,
      nbf: now() - 60,
      downloadable: true,
      accessRules: [
        { type: "ip.geoip.country", action: "allow", country: ["DE", "MX"] },
        { type: "ip.src", action: "block", ip: ["192.0.2.1", "198.51.100.0/24", "2001:db8::/32"] },
        { type: "any", action: "block" },
      ],
      flags: { original: true },
    };
    expect(decodeJwt(await createToken(body))).toMatchObject({ sub: uid, ...body });
  });

  const rule = (more: object) => ({ accessRules: [{ type: "any", action: "block", ...more }] });
  it.each<[string, unknown]>([
    ["no JSON", "{"],
    ["a list", []],
    ["another field", { sub: "x" }],
    ["an exp that is text", { exp: String(now() + 60) }],
    ["an exp that is past", { exp: now() - 60 }],
    ["an exp of more than 24 hours", { exp: now() + 86_460 }],
    ["an nbf after the exp", { exp: now() + 60, nbf: now() + 61 }],
    ["downloadable as text", { downloadable: "true" }],
    ["an id without its pem", { id: "x" }],
    ["a key that is none", { id: "x", pem: "x" }],
    ["another flag", { flags: { other: true } }],
    ["rules that are no list", { accessRules: {} }],
    ["six rules", { accessRules: Array.from({ length: 6 }, () => rule({}).accessRules[0]) }],
    ["another type of rule", rule({ type: "ip" })],
    ["another action", rule({ action: "deny" })],
    ["a country in lower case", rule({ type: "ip.geoip.country", country: ["de"] })],
    ["a country for any", rule({ country: ["DE"] })],
    ["no country", rule({ type: "ip.geoip.country" })],
    ["an address that is none", rule({ type: "ip.src", ip: ["192.0.2"] })],
    ["a range that is none", rule({ type: "ip.src", ip: ["192.0.2.0/33"] })],
  ])("refuses %s", async (_, body) => {
    const answer = await client.api("POST", `/${uid}/token`, body);
    expect([answer.status, answer.errors[0]?.code]).toEqual([400, 10005]);
  });

  it("refuses another account's key, and an unknown video", async () => {
    const [one, other] = [await createKey(), await createKey()];
    expect((await client.api("POST", `/${uid}/token`, { id: one.id, pem: other.pem })).status).toBe(400);
    expect((await client.api("POST", `/${"0".repeat(32)}/token`)).status).toBe(404);
  });
});

function publicJwk({ kty, n, e, kid, alg }: JWK): JWK {
  return { kty, kid, alg, n, e } as JWK;
}
