import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import { parseConfig } from "../../../src/config.ts";
import { MAX_SIGNING_KEYS } from "../../../src/core/playback/rules/signing-key.ts";
import {
  injectFault,
  requestsToStream,
  resetLocalStream,
  stream,
  stubResponse,
} from "../support/local-stream-fixture.ts";
import { asOperator, codeOf, request } from "../support/worker.ts";

/** The keys that sign playback tokens, of the upstream `live`. */

resetLocalStream();

interface KeyDocument {
  readonly id: string;
  readonly createdAt: string;
  readonly signs: boolean;
}

const PATH = "/upstreams/live/signing-keys";
const make = () => asOperator("POST", PATH);
const list = async (path = PATH) =>
  (await (await asOperator("GET", path)).json<{ signingKeys: KeyDocument[] }>()).signingKeys;
const rows = async () => (await env.DB.prepare("SELECT * FROM signing_keys").all<{ id: string }>()).results;

async function atStream(): Promise<readonly { id: string }[]> {
  const { apiBase, accountId, token } = stream;
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await fetch(`${apiBase}/accounts/${accountId}/stream/keys`, { headers });
  return (await answer.json<{ result: { id: string }[] }>()).result;
}

async function newJwk(bits = 2_048): Promise<JsonWebKey> {
  const algorithm = { name: "RSASSA-PKCS1-v1_5", modulusLength: bits, publicExponent: new Uint8Array([1, 0, 1]) };
  const pair = await crypto.subtle.generateKey({ ...algorithm, hash: "SHA-256" }, true, ["sign", "verify"]);
  return (await crypto.subtle.exportKey("jwk", (pair as CryptoKeyPair).privateKey)) as JsonWebKey;
}

/** What signs in another isolate. */
async function signingKey(upstream = { id: "live", accountId: stream.accountId }) {
  const config = parseConfig(env);
  const registry = createRegistry(env.DB, config, createFieldEncryption(config.masterKeys), Date.now);
  const key = await registry.signingKey(upstream);
  if (!key.ok) throw new Error(key.problem.detail);
  return key.value;
}

beforeEach(async () => void (await env.DB.exec("DELETE FROM signing_keys")));

describe("POST upstreams/:id/signing-keys", () => {
  it("makes a key at Stream by one call, and never shows it", async () => {
    const answer = await make();
    expect(answer.status).toBe(201);
    const text = await answer.text();
    const document = JSON.parse(text) as KeyDocument;
    expect(document).toEqual({ id: expect.any(String), createdAt: expect.any(String), signs: true });
    expect((await requestsToStream()).map(({ method }) => method)).toEqual(["POST"]);
    expect((await atStream()).map(({ id }) => id)).toEqual([document.id]);

    const key = await signingKey();
    expect(key?.id).toBe(document.id);
    const secret = key?.jwk.d.slice(0, 20) ?? "";
    expect(secret.length).toBe(20);
    const audit = await (await asOperator("GET", "/audit")).text();
    expect(audit).toContain("signing-key.create");
    for (const shown of [text, audit, JSON.stringify(await list()), JSON.stringify(await rows())])
      expect(shown).not.toContain(secret);
  });

  it.each(["{}", ""])("makes one with the body %j, too", async (body) => {
    expect((await asOperator("POST", PATH, body)).status).toBe(201);
  });

  it("takes one that exists, as an object or as Stream gives it", async () => {
    const jwk = await newJwk();
    expect((await asOperator("POST", PATH, { id: "k1", jwk })).status).toBe(201);
    const encoded = btoa(JSON.stringify({ ...jwk, kid: "k2", use: "sig", key_ops: undefined }));
    expect((await asOperator("POST", PATH, { id: "k2", jwk: encoded })).status).toBe(201);
    expect((await list()).map(({ id }) => id).toSorted()).toEqual(["k1", "k2"]);
    expect(await requestsToStream()).toEqual([]);
    expect(await (await asOperator("GET", "/audit")).text()).toContain("signing-key.import");
    expect(await codeOf(asOperator("POST", PATH, { id: "k1", jwk }))).toBe("conflict");
  });

  it("refuses everything else with 400, and does not repeat it", async () => {
    const jwk = await newJwk();
    const secret = "c2VjcmV0LXNlY3JldA";
    const bodies = [
      { id: "k1" },
      { jwk },
      { id: "k1", jwk: secret },
      { id: "k1", jwk: btoa(secret) },
      { id: "k1", jwk: [secret] },
      { id: "k1", jwk: null },
      { id: "k1", jwk: { ...jwk, d: undefined, secret } },
      { id: "k1", jwk: { ...jwk, kty: "oct", k: secret } },
      { id: "k1", jwk: { ...jwk, alg: "RS512", x: secret } },
      { id: "k1", jwk: { ...jwk, kid: secret } },
      // Its numbers do not belong together.
      { id: "k1", jwk: { ...jwk, p: secret } },
      { id: "k1", jwk: { ...jwk, n: (await newJwk()).n } },
      { id: "k1", jwk: await newJwk(1_024) },
      { id: "../x", jwk },
      { id: "", jwk },
      { id: 1, jwk },
      { id: "k1", jwk, pem: secret },
      [secret],
      JSON.stringify(secret),
      secret,
    ];
    for (const body of bodies) {
      const answer = await asOperator("POST", PATH, body);
      const text = await answer.text();
      expect([answer.status, text], JSON.stringify(body).slice(0, 80)).toEqual([
        400,
        expect.stringContaining("body_invalid"),
      ]);
      expect(text).not.toContain(secret);
      if (jwk.d !== undefined) expect(text).not.toContain(jwk.d.slice(0, 20));
    }
    expect(await rows()).toEqual([]);
    expect(await requestsToStream()).toEqual([]);
  });

  it("refuses a broken key under the id of one that was there before", async () => {
    const jwk = await newJwk();
    await asOperator("POST", PATH, { id: "k1", jwk });
    await asOperator("DELETE", `${PATH}/k1`);
    const { p = "" } = await newJwk();
    expect(await codeOf(asOperator("POST", PATH, { id: "k1", jwk: { ...jwk, p } }))).toBe("body_invalid");
  });

  it(`stores at most ${MAX_SIGNING_KEYS} keys`, async () => {
    const jwk = await newJwk();
    for (let index = 0; index < MAX_SIGNING_KEYS; index++)
      expect((await asOperator("POST", PATH, { id: `k${index}`, jwk })).status).toBe(201);
    expect(await codeOf(asOperator("POST", PATH, { id: "more", jwk }))).toBe("conflict");
    expect(await codeOf(make())).toBe("conflict");
    expect(await requestsToStream()).toEqual([]);
  });

  it("deletes a key at Stream that it cannot use", async () => {
    await stubResponse(200, { success: true, result: { id: "0".repeat(32), jwk: btoa("{}"), pem: "" } });
    expect(await codeOf(make())).toBe("stream_bad_answer");
    expect((await requestsToStream()).map(({ method, url }) => `${method} ${url.split("/").at(-1)}`)).toEqual([
      "POST keys",
      `DELETE ${"0".repeat(32)}`,
    ]);
    expect(await rows()).toEqual([]);
  });

  it("deletes a key at Stream that it cannot store", async () => {
    await injectFault({ on: "api", kind: "latency", milliseconds: 500 });
    const making = make();
    await expect.poll(async () => (await requestsToStream()).length).toBe(1);
    const { accountId: _, ...upstream } = {
      accountId: "",
      apiBase: stream.apiBase,
      uploadHosts: [stream.uploadHost],
      apiToken: stream.token,
    };
    await asOperator("PUT", "/upstreams/live?check=false", { ...upstream, accountId: "another" });
    expect(await codeOf(making)).toBe("conflict");
    expect(await atStream()).toEqual([]);
    expect(await rows()).toEqual([]);
  });

  it("stores nothing when Stream fails", async () => {
    await stubResponse(500, {});
    expect(await codeOf(make())).toBe("stream_error");
    expect(await rows()).toEqual([]);
  });

  it("returns 404 for an unknown upstream, 401 without the operator's token, 405 for PUT", async () => {
    expect(await codeOf(asOperator("POST", "/upstreams/none/signing-keys"))).toBe("not_found");
    expect(await codeOf(asOperator("GET", "/upstreams/none/signing-keys"))).toBe("not_found");
    expect(await codeOf(asOperator("DELETE", `${PATH}/none`))).toBe("not_found");
    expect(await codeOf(request("POST", `/admin/v1${PATH}`))).toBe("credential_missing");
    expect(await codeOf(asOperator("PUT", PATH, {}))).toBe("method_not_allowed");
  });
});

describe("the key that signs", () => {
  it("is the newest once it is 10 minutes old", async () => {
    const jwk = await newJwk();
    const add = (id: string) => asOperator("POST", PATH, { id, jwk });
    const age = (seconds: number) => env.DB.exec(`UPDATE signing_keys SET created_at = created_at - ${seconds} * 1000`);
    await add("old");
    await age(60);
    expect(await (await add("new")).json()).toMatchObject({ signs: false });
    await age(570);
    expect(await list()).toMatchObject([
      { id: "new", signs: false },
      { id: "old", signs: true },
    ]);
    expect((await signingKey())?.id).toBe("old");
    await age(30);
    expect(await list()).toMatchObject([
      { id: "new", signs: true },
      { id: "old", signs: false },
    ]);
    expect((await signingKey())?.id).toBe("new");
  });

  it("is none that the master keys do not open", async () => {
    const jwk = await newJwk();
    await asOperator("POST", PATH, { id: "k1", jwk });
    await env.DB.exec("UPDATE signing_keys SET created_at = created_at - 700000, sealed_jwk = 'v1.lost.AAAA'");
    expect([await signingKey(), await list()]).toMatchObject([undefined, [{ id: "k1", signs: false }]]);
    expect(await (await asOperator("POST", PATH, { id: "k2", jwk })).json()).toMatchObject({ id: "k2", signs: true });
    expect(await signingKey()).toMatchObject({ id: "k2" });
  });

  it("is none of another account, and none that was moved in the database", async () => {
    await asOperator("POST", PATH, { id: "k1", jwk: await newJwk() });
    expect(await signingKey()).toMatchObject({ id: "k1" });
    expect(await signingKey({ id: "live", accountId: "another" })).toBeUndefined();
    await env.DB.exec("UPDATE signing_keys SET account_id = 'another'");
    expect(await signingKey({ id: "live", accountId: "another" })).toBeUndefined();
    await env.DB.exec(`UPDATE signing_keys SET account_id = '${stream.accountId}', id = 'k2'`);
    expect(await signingKey()).toBeUndefined();
    await env.DB.exec("UPDATE signing_keys SET id = 'k1', upstream = 'eu'");
    expect(await signingKey({ id: "eu", accountId: stream.accountId })).toBeUndefined();
  });
});

describe("DELETE upstreams/:id/signing-keys/:key", () => {
  it("deletes the key at Stream, and then here", async () => {
    const { id } = await (await make()).json<KeyDocument>();
    expect((await asOperator("DELETE", `${PATH}/${id}`)).status).toBe(204);
    expect([await atStream(), await rows(), await signingKey()]).toEqual([[], [], undefined]);
    expect(await (await asOperator("GET", "/audit")).text()).toContain("signing-key.delete");
    expect(await codeOf(asOperator("DELETE", `${PATH}/${id}`))).toBe("not_found");
  });

  it("deletes it for all upstreams of the account, where it would sign tokens that play nothing", async () => {
    const { accountId, apiBase, uploadHost, token } = stream;
    const account = { apiBase, uploadHosts: [uploadHost], apiToken: token };
    await asOperator("PUT", "/upstreams/same?check=false", { ...account, accountId });
    await asOperator("PUT", "/upstreams/other?check=false", { ...account, accountId: "another" });
    const jwk = await newJwk();
    for (const upstream of ["live", "same", "other"])
      expect((await asOperator("POST", `/upstreams/${upstream}/signing-keys`, { id: "k1", jwk })).status).toBe(201);
    expect((await asOperator("DELETE", `${PATH}/k1`)).status).toBe(204);
    expect(await rows()).toMatchObject([{ upstream: "other" }]);
    for (const upstream of ["same", "other"]) await asOperator("DELETE", `/upstreams/${upstream}`);
  });

  it("deletes a key that is gone at Stream", async () => {
    await asOperator("POST", PATH, { id: "0".repeat(32), jwk: await newJwk() });
    expect((await asOperator("DELETE", `${PATH}/${"0".repeat(32)}`)).status).toBe(204);
    expect(await rows()).toEqual([]);
  });

  it("keeps the key if Stream does not confirm, and says so", async () => {
    const { id } = await (await make()).json<KeyDocument>();
    await stubResponse(500, {});
    const answer = await asOperator("DELETE", `${PATH}/${id}`);
    expect(await answer.json()).toMatchObject({
      code: "stream_error",
      detail: expect.stringContaining("The signing key was not deleted."),
    });
    expect(await signingKey()).toMatchObject({ id });
  });

  it("deletes the key here, whatever Stream says, with force", async () => {
    const { id } = await (await make()).json<KeyDocument>();
    await stubResponse(404, { success: false, errors: [{ code: 7003, message: "could not route" }] });
    expect((await asOperator("DELETE", `${PATH}/${id}?force=true`)).status).toBe(204);
    expect([await rows(), (await atStream()).length]).toEqual([[], 1]);
    expect(await codeOf(asOperator("DELETE", `${PATH}/${id}?force=yes`))).toBe("bad_request");
  });

  it("deletes a key of an account that the upstream no longer has without asking Stream", async () => {
    const { id } = await (await make()).json<KeyDocument>();
    await env.DB.exec("UPDATE signing_keys SET account_id = 'another'");
    expect((await asOperator("DELETE", `${PATH}/${id}`)).status).toBe(204);
    expect([await rows(), (await atStream()).length]).toEqual([[], 1]);
  });
});

describe("DELETE upstreams/:id", () => {
  it("deletes its keys", async () => {
    await asOperator("POST", PATH, { id: "k1", jwk: await newJwk() });
    expect((await asOperator("DELETE", "/upstreams/live")).status).toBe(204);
    expect(await rows()).toEqual([]);
  });
});
