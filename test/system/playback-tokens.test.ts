import Cloudflare from "cloudflare";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { readyVideo } from "../support/ready-video.ts";

/** Playback tokens, and what they open at the local Stream. */

const KEYS = "/upstreams/default/signing-keys";
const BLOCK_US = { type: "ip.geoip.country", action: "block", country: ["US"] };
const BLOCK_FR = { type: "ip.geoip.country", action: "block", country: ["FR"] };
const POLICY = {
  metadata: { requiresignedurls: { force: true } },
  playback: { maxSeconds: 600, accessRules: [BLOCK_US] },
};

interface Signed {
  readonly token: string;
  readonly expiresAt: string;
  readonly hls: string;
  readonly dash: string;
  readonly iframe: string;
  readonly thumbnail: string;
}

let harness: TestGateway;
let tenants = 0;
let tenant: string;
let key: string;
let uid: string;

beforeAll(async () => {
  harness = await startTestGateway();
});
afterAll(() => harness.stop());

beforeEach(async () => {
  tenant = `viewers-${++tenants}`;
  key = await harness.tenant(tenant, { policy: POLICY });
  uid = await readyVideo(harness, tenant, key);
  harness.stream.clearRequests();
});

const call = (path: string, body: object | undefined, credential = key, at = `/v1/${tenant}/uploads`) =>
  fetch(`${harness.url}${at}/${path}`, {
    method: "POST",
    headers: { ...bearer(credential), ...(body && { "Content-Type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
  });
async function sign(body?: object, credential = key, id = uid): Promise<Signed> {
  const answer = await call(`${id}/playback`, body, credential);
  if (answer.status !== 200) throw new Error(await answer.text());
  return (await answer.json()) as Signed;
}
const refusal = async (body: object | undefined, credential = key, id = uid) =>
  problemOf(await call(`${id}/playback`, body, credential));
const calls = () => harness.stream.requests().map(({ method, url }) => `${method} ${url.split("/stream")[1]}`);
const statusOf = async (url: string, country = "DE") =>
  (await fetch(url, { headers: { "CF-IPCountry": country } })).status;
const now = () => Math.floor(Date.now() / 1000);

describe("without a signing key", () => {
  it("Stream signs, for one call, within the bounds of the policy", async () => {
    const { token, expiresAt, ...urls } = await sign();
    expect(calls()).toEqual([`POST /${uid}/token`]);
    expect(decodeJwt(token)).toMatchObject({ sub: uid, accessRules: [BLOCK_US] });
    expect(Date.parse(expiresAt) / 1000).toBe(decodeJwt(token).exp);
    expect(Math.abs((decodeJwt(token).exp ?? 0) - now() - 600)).toBeLessThan(5);
    for (const url of Object.values(urls)) expect([await statusOf(url), await statusOf(url, "US")]).toEqual([200, 403]);
  });
});

describe("Stream's answer", () => {
  it.each<[string, unknown]>([
    ["without a token", {}],
    ["that is none", null],
    ["with a number", { token: 1 }],
    ["with a path", { token: "../../a.b.c" }],
    ["with a token of two parts", { token: "a.b" }],
    ["with a token that no URL takes", { token: `a.b.${"c".repeat(20_000)}` }],
  ])("%s is a 502", async (_, result) => {
    const body = JSON.stringify({ success: true, result });
    harness.stream.addFault({ on: "api", kind: "status", status: 200, body });
    expect(await refusal({})).toMatchObject({ status: 502, code: "stream_bad_answer" });
  });
});

describe("with a signing key", () => {
  let keyId: string;
  beforeAll(async () => {
    keyId = (await harness.operator("POST", KEYS))["id"] ?? "";
  });
  afterAll(() => harness.operator("DELETE", `${KEYS}/${keyId}`));

  it("signs without a call, header and claims as Stream documents them", async () => {
    const nbf = now() - 5;
    const { token, expiresAt, ...urls } = await sign({ expiresIn: 60, nbf, accessRules: [BLOCK_FR] });
    expect(calls()).toEqual([]);
    expect(decodeProtectedHeader(token)).toEqual({ alg: "RS256", kid: keyId });
    const exp = Date.parse(expiresAt) / 1000;
    expect(decodeJwt(token)).toEqual({ sub: uid, kid: keyId, exp, nbf, accessRules: [BLOCK_US, BLOCK_FR] });
    expect(Object.keys(urls).toSorted()).toEqual(["dash", "hls", "iframe", "thumbnail"]);
    for (const url of Object.values(urls)) {
      expect(await statusOf(url)).toBe(200);
      expect([await statusOf(url, "US"), await statusOf(url, "FR")]).toEqual([403, 403]);
      expect(await statusOf(url.replace(token, uid))).toBe(401);
    }
  });

  it("names the video in the ledger, whatever the path says", async () => {
    const { uploads } = (await (
      await fetch(`${harness.url}/v1/${tenant}/uploads`, { headers: bearer(key) })
    ).json()) as { uploads: { id: string }[] };
    expect(decodeJwt((await sign({}, key, uploads[0]?.id)).token).sub).toBe(uid);
  });

  it("is given before the bytes arrive, and for no upload that is over", async () => {
    const created = await create(harness.url, tenant, bearer(key));
    const pending = created.headers.get("stream-media-id") ?? "";
    expect(await sign({}, key, pending)).toEqual({ token: expect.any(String), expiresAt: expect.any(String) });
    const url = `${harness.url}/v1/${tenant}/uploads/${pending}`;
    expect((await fetch(url, { method: "DELETE", headers: bearer(key) })).status).toBe(200);
    expect(await refusal({}, key, pending)).toMatchObject({ status: 410, code: "upload_not_playable" });
  });

  it("answers Cloudflare's SDK, and uses none of its id, pem and flags", async () => {
    const stream = new Cloudflare({ apiToken: key, baseURL: `${harness.url}/client/v4`, maxRetries: 0 }).stream;
    const exp = now() + 60;
    const params = { account_id: tenant, exp, id: "another", pem: "c2VjcmV0", flags: { original: true } };
    const { token = "" } = await stream.token.create(uid, params);
    expect(decodeJwt(token)).toEqual({ sub: uid, kid: keyId, exp, accessRules: [BLOCK_US] });
    expect((await stream.token.create(uid, { account_id: tenant })).token).toMatch(/^eyJ/);
    const bare = await call(`${uid}/token`, undefined, key, `/client/v4/accounts/${tenant}/stream`);
    expect(await bare.json()).toEqual({
      result: { token: expect.stringMatching(/^eyJ/) },
      success: true,
      errors: [],
      messages: [],
    });
    expect(calls()).toEqual([]);
  });

  it.each<[string, object, object]>([
    ["a longer life", { expiresIn: 601 }, { status: 403, code: "policy_violation", key: "expiresIn" }],
    ["a download", { downloadable: true }, { status: 403, code: "policy_violation", key: "downloadable" }],
    [
      "a rule that allows",
      { accessRules: [{ type: "any", action: "allow" }] },
      { status: 403, code: "policy_violation", key: "accessRules" },
    ],
    ["another subject", { sub: "0".repeat(32) }, { status: 400, code: "body_invalid" }],
    ["another key", { id: "x", pem: "x" }, { status: 400, code: "body_invalid" }],
    ["a start after the end", { nbf: 4_000_000_000 }, { status: 400, code: "body_invalid", key: "nbf" }],
  ])("refuses %s", async (_, body, expected) => {
    expect(await refusal(body)).toMatchObject(expected);
  });

  it("needs the scope and the feature, and is a 404 for anyone else's upload", async () => {
    const reader = await harness.tenant(tenant, { policy: POLICY }, { name: "reader", scopes: ["uploads:read"] });
    expect(await refusal({}, reader)).toMatchObject({ status: 403, code: "scope_missing" });
    const other = await harness.tenant(`${tenant}-other`);
    const foreign = await call(`${uid}/playback`, {}, other, `/v1/${tenant}-other/uploads`);
    expect(await problemOf(foreign)).toMatchObject({ status: 404, code: "not_found" });
    await harness.operator("PUT", `/tenants/${tenant}`, { policy: { ...POLICY, features: ["edit"] } });
    expect(await refusal({})).toMatchObject({ status: 403, code: "feature_not_allowed" });
  });

  it("is signed by a grant for its own upload only, within the grant's bounds", async () => {
    const mint = async (body: object) => {
      const minted = await call("grants", body, key, `/v1/${tenant}`);
      return ((await minted.json()) as { grant: string }).grant;
    };
    const grant = await mint({ playback: true, policy: { playback: { maxSeconds: 30, accessRules: [BLOCK_FR] } } });
    const own = await readyVideo(harness, tenant, grant);
    const { token } = await sign({}, grant, own);
    const { exp = 0, ...claims } = decodeJwt(token);
    expect(claims).toEqual({ sub: own, kid: keyId, accessRules: [BLOCK_US, BLOCK_FR] });
    expect(exp).toBeLessThanOrEqual(now() + 30);
    expect(await refusal({ expiresIn: 31 }, grant, own)).toMatchObject({ code: "policy_violation" });
    expect(await refusal({}, grant, uid)).toMatchObject({ status: 404 });
    const without = await mint({});
    const its = await readyVideo(harness, tenant, without);
    expect(await refusal({}, without, its)).toMatchObject({ status: 403, code: "scope_missing" });
  });

  it("lives to its end, also after the suspension of its tenant, which gets no other", async () => {
    const { hls } = await sign();
    await harness.operator("PUT", `/tenants/${tenant}`, { policy: POLICY, suspended: true });
    expect(await refusal({})).toMatchObject({ status: 403, code: "tenant_suspended" });
    expect(await statusOf(hls)).toBe(200);
  });

  it("is in no log", async () => {
    const { token } = await sign();
    await expect.poll(() => harness.log.filter((line) => line.includes("/playback")).length).toBeGreaterThan(0);
    const log = harness.log.join("\n");
    for (const secret of [token, token.split(".")[2] ?? "", "PRIVATE KEY", '"jwk"', '"pem"'])
      expect(log).not.toContain(secret);
  });
});

describe("a key that is deleted", () => {
  it("ends all of its tokens", async () => {
    const { id: keyId } = await harness.operator("POST", KEYS);
    const { hls } = await sign();
    expect(await statusOf(hls)).toBe(200);
    await harness.operator("DELETE", `${KEYS}/${keyId}`);
    expect(await statusOf(hls)).toBe(401);
    harness.stream.clearRequests();
    const again = await sign();
    expect(calls()).toEqual([`POST /${uid}/token`]);
    expect(await statusOf(again.hls)).toBe(200);
  });
});
