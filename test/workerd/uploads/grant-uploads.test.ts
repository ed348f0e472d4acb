import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { parseVideo } from "../../../src/core/stream/rules/parse-video.ts";
import { encodeUploadMetadata } from "../../../src/core/uploads/rules/upload-metadata.ts";
import { hmacIssuer } from "../../support/hmac-issuer.ts";
import { injectFault, resetLocalStream } from "../support/local-stream-fixture.ts";
import { codeOf, request, seedTenant, asOperator } from "../support/worker.ts";

/** What a grant reads and cancels: the uploads that were created under it, and nothing else. */

const JWT_ISSUER = {
  ...hmacIssuer.document,
  tenant: "acme",
  scopes: ["uploads:create", "uploads:read", "uploads:delete", "grants:create"],
};

let key: string;
let jwt: string;

resetLocalStream();
beforeEach(async () => {
  key = await seedTenant("acme", { upstream: "live" });
  await asOperator("PUT", "/issuers/acme", JWT_ISSUER);
  jwt = await hmacIssuer.sign("user-1");
});

const as = (credential: string, method: string, path: string, init: RequestInit = {}) =>
  request(method, `/v1/acme${path}`, { ...init, headers: { Authorization: `Bearer ${credential}`, ...init.headers } });

async function mint(body: object = {}, minter = key): Promise<string> {
  const init = { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const minted = await as(minter, "POST", "/grants", init);
  expect(minted.status).toBe(201);
  return (await minted.json<{ grant: string }>()).grant;
}

async function create(credential: string, metadata: Record<string, string> = {}): Promise<{ id: string; uid: string }> {
  const headers = {
    "Tus-Resumable": "1.0.0",
    "Upload-Length": "5",
    "Upload-Metadata": encodeUploadMetadata(Object.entries(metadata)),
  };
  const created = await as(credential, "POST", "/uploads", { headers });
  expect(created.status).toBe(201);
  return {
    id: created.headers.get("sluice-upload-id") ?? "",
    uid: created.headers.get("stream-media-id") ?? "",
  };
}

const statusOf = async (response: Promise<Response>) => (await response).status;

/** Stream reports the video. */
async function report(uid: string, state: string): Promise<void> {
  const video = parseVideo({ uid, status: { state }, duration: 12 });
  if (video) await env.LEDGER.getByName("acme").record("live", video);
}

const GRANTS: readonly (readonly [string, () => Promise<string>])[] = [
  ["without a subject", () => mint()],
  ["with a subject", () => mint({ subject: "user-1" })],
  ["minted by a JWT", () => mint({}, jwt)],
];

describe.each(GRANTS)("a grant %s", (_, mintOne) => {
  it("reads its own upload, by id and by uid", async () => {
    const grant = await mintOne();
    const { id, uid } = await create(grant);
    for (const name of [id, uid])
      expect(await (await as(grant, "GET", `/uploads/${name}`)).json()).toMatchObject({ id, uid, state: "issued" });
    expect(await (await as(grant, "GET", `/uploads/${id}?view=stream`)).json()).toMatchObject({ video: { uid } });
  });

  it("gets the same 404 for every other upload, whoever created it", async () => {
    const grant = await mintOne();
    const foreign = [
      await create(key),
      await create(jwt),
      await create(await mint({ subject: "user-1" })),
      await create(await mint()),
      await create(await mint({}, jwt)),
      { id: "01980000-0000-7000-8000-000000000000", uid: "0".repeat(32) },
    ];
    const answers: string[] = [];
    for (const { id, uid } of foreign)
      for (const name of [id, uid])
        for (const method of ["GET", "DELETE"]) {
          const answer = await as(grant, method, `/uploads/${name}`);
          const { requestId: __, ...problem } = await answer.json<Record<string, unknown>>();
          answers.push(`${answer.status} ${JSON.stringify(problem)}`);
        }
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toMatch(/^404 .*"code":"not_found"/);
  });

  it("lists nothing", async () => {
    const grant = await mintOne();
    await create(grant);
    expect(await codeOf(as(grant, "GET", "/uploads"))).toBe("scope_missing");
    for (const path of ["", "/storage-usage"]) {
      const headers = { Authorization: `Bearer ${grant}` };
      const listed = request("GET", `/client/v4/accounts/acme/stream${path}`, { headers });
      expect(await codeOf(listed)).toBe("scope_missing");
    }
  });

  it("cancels its upload while it is live, again and again, and releases what it holds", async () => {
    const grant = await mintOne();
    const { id } = await create(grant);
    for (let times = 0; times < 2; times++) {
      const cancelled = await as(grant, "DELETE", `/uploads/${id}`);
      expect([cancelled.status, await cancelled.json()]).toMatchObject([200, { id, state: "cancelled" }]);
    }
    expect(await env.LEDGER.getByName("acme").usage()).toMatchObject({ pending: 0 });
  });

  it.each([
    ["ready", "ready"],
    ["error", "failed"],
  ])("does not delete the video of an upload that is finished: %s", async (reported, state) => {
    const grant = await mintOne();
    const { id, uid } = await create(grant);
    await report(uid, reported);
    const refused = await as(grant, "DELETE", `/uploads/${id}`);
    expect([refused.status, await codeOf(refused)]).toEqual([403, "grant_used"]);
    expect(await (await as(grant, "GET", `/uploads/${id}`)).json()).toMatchObject({ state });
    expect(await statusOf(as(key, "DELETE", `/uploads/${id}`))).toBe(200);
  });
});

describe("the files of a grant", () => {
  const creation = (name: string, more: Record<string, string> = {}) => ({
    "Tus-Resumable": "1.0.0",
    "Upload-Length": "5",
    "Upload-Metadata": encodeUploadMetadata([["name", name]]),
    ...more,
  });
  const post = (grant: string, name: string, more: Record<string, string> = {}) =>
    as(grant, "POST", "/uploads", { headers: creation(name, more) });
  const idOf = async (created: Promise<Response>) => (await created).headers.get("sluice-upload-id");
  const refusalOf = async (refused: Promise<Response>) => {
    const { status, code, detail } = await (await refused).json<{ status: number; code: string; detail: string }>();
    return { status, code, detail };
  };
  const TOO_MANY = {
    status: 403,
    code: "grant_used",
    detail: expect.stringMatching(/^The grant is for one file, and it has its upload\. Get a grant for each further/),
  };

  it("are one by default: a repeat is replayed, and another file is told what a grant is for", async () => {
    const grant = await mint();
    const first = await idOf(post(grant, "a.mp4"));
    expect(await idOf(post(grant, "a.mp4"))).toBe(first);
    expect(await refusalOf(post(grant, "b.mp4"))).toEqual(TOO_MANY);
    expect(await refusalOf(post(grant, "b.mp4", { "Idempotency-Key": "b" }))).toEqual(TOO_MANY);
    const { uid } = await (await as(grant, "GET", `/uploads/${first}`)).json<{ uid: string }>();
    await report(uid, "ready");
    expect(await refusalOf(post(grant, "b.mp4"))).toEqual(TOO_MANY);
    expect(await refusalOf(post(grant, "a.mp4"))).toMatchObject({
      code: "grant_used",
      detail: expect.stringContaining("The upload of this file is finished."),
    });
  });

  it("are as many as it says, told apart by their names, sizes and types", async () => {
    const grant = await mint({ uploads: 2 });
    const [a, b] = [await idOf(post(grant, "a.mp4")), await idOf(post(grant, "b.mp4"))];
    expect(new Set([a, b]).size).toBe(2);
    expect([await idOf(post(grant, "a.mp4")), await idOf(post(grant, "b.mp4"))]).toEqual([a, b]);
    expect(await refusalOf(post(grant, "c.mp4"))).toMatchObject({
      code: "grant_used",
      detail: expect.stringContaining("The grant is for 2 files, and it has all of its uploads."),
    });
    for (const id of [a, b]) expect(await statusOf(as(grant, "GET", `/uploads/${id}`))).toBe(200);
  });

  it("are told apart by Idempotency-Key, where there is one", async () => {
    const grant = await mint({ uploads: 3 });
    const keyed = (key: string, name = "a.mp4") => post(grant, name, { "Idempotency-Key": key });
    const [one, two] = [await idOf(keyed("1")), await idOf(keyed("2"))];
    expect(new Set([one, two]).size).toBe(2);
    expect(await idOf(keyed("1"))).toBe(one);
    expect(await refusalOf(keyed("1", "b.mp4"))).toMatchObject({ status: 422, code: "idempotency_key_reused" });
    expect(await (await as(grant, "GET", `/uploads/${one}`)).json()).toMatchObject({ idempotencyKey: "1" });
    const byFingerprint = await (await as(grant, "GET", `/uploads/${await idOf(post(grant, "c.mp4"))}`)).json();
    expect(byFingerprint).not.toHaveProperty("idempotencyKey");
  });

  it("may be another one once the first was cancelled, or its creation was lost", async () => {
    const grant = await mint();
    const first = await idOf(post(grant, "wrong.mp4"));
    expect(await statusOf(as(grant, "DELETE", `/uploads/${first}`))).toBe(200);
    await injectFault({ on: "create", kind: "status", status: 502, body: "<html>" });
    expect(await statusOf(post(grant, "lost.mp4"))).toBe(502);
    const second = await idOf(post(grant, "right.mp4"));
    expect(second).toMatch(/^[0-9a-f-]{36}$/);
    expect(await refusalOf(post(grant, "wrong.mp4"))).toEqual(TOO_MANY);
    expect(await refusalOf(post(grant, "lost.mp4"))).toEqual(TOO_MANY);
  });

  it("are admitted one by one, however many come at once", async () => {
    const grant = await mint({ uploads: 3 });
    const statuses = await Promise.all(Array.from({ length: 10 }, (_, index) => statusOf(post(grant, `${index}.mp4`))));
    expect(statuses.filter((status) => status === 201)).toHaveLength(3);
    expect(statuses.filter((status) => status === 403)).toHaveLength(7);
  });
});

describe("an Idempotency-Key", () => {
  const creation = (more: Record<string, string> = {}) => ({
    headers: { "Tus-Resumable": "1.0.0", "Upload-Length": "5", "Idempotency-Key": "k", ...more },
  });

  it("counts for all API keys of the tenant, so that a repeat after a rotation makes no second video", async () => {
    const first = await as(key, "POST", "/uploads", creation());
    const rotated = await seedTenant("acme", { upstream: "live" });
    const repeat = await as(rotated, "POST", "/uploads", creation());
    expect(repeat.headers.get("idempotency-replayed")).toBe("true");
    expect(repeat.headers.get("sluice-upload-id")).toBe(first.headers.get("sluice-upload-id"));
    const other = as(rotated, "POST", "/uploads", creation({ "Upload-Creator": "user-2" }));
    expect(await codeOf(other)).toBe("idempotency_key_reused");
  });

  it("counts for each subject of JWTs on its own", async () => {
    const ids: (string | null)[] = [];
    for (const credential of [key, jwt, await hmacIssuer.sign("user-2")])
      ids.push((await as(credential, "POST", "/uploads", creation())).headers.get("sluice-upload-id"));
    expect(new Set(ids).size).toBe(3);
  });
});

describe("a grant that has expired", () => {
  it("reads and cancels its upload for 24 hours, and creates nothing", async () => {
    const grant = await mint({ expiresIn: 60 });
    const { id } = await create(grant);
    const start = Date.now();
    vi.useFakeTimers({ toFake: ["Date"], now: start + 86_400_000 });
    expect(await statusOf(as(grant, "GET", `/uploads/${id}`))).toBe(200);
    const creation = { headers: { "Tus-Resumable": "1.0.0", "Upload-Length": "5" } };
    expect(await codeOf(as(grant, "POST", "/uploads", creation))).toBe("credential_expired");
    vi.setSystemTime(start + 86_470_000);
    expect(await codeOf(as(grant, "GET", `/uploads/${id}`))).toBe("credential_expired");
    expect(await codeOf(as(grant, "DELETE", `/uploads/${id}`))).toBe("credential_expired");
  });

  it("cancels its upload within these 24 hours", async () => {
    const grant = await mint({ expiresIn: 60 });
    const { id } = await create(grant);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
    expect(await statusOf(as(grant, "DELETE", `/uploads/${id}`))).toBe(200);
  });
});

describe("a grant whose key is revoked", () => {
  it("reads and cancels nothing", async () => {
    const minter = await seedTenant("acme", { upstream: "live" });
    const grant = await mint({}, minter);
    const { id } = await create(grant);
    const [, keyId] = minter.split("_");
    expect(await statusOf(asOperator("DELETE", `/tenants/acme/keys/${keyId}`))).toBe(204);
    for (const method of ["GET", "DELETE"])
      await expect.poll(() => codeOf(as(grant, method, `/uploads/${id}`))).toBe("credential_revoked");
  });
});

describe("an upload", () => {
  it("carries what ties it to the backend's record", async () => {
    await seedTenant("acme", { upstream: "live", policy: { metadata: { project: {} } } });
    const grant = await mint({ reference: "order 7 🎬", subject: "user-1" });
    const { id } = await create(grant, { name: "cats.mp4", project: "cats", other: "dropped" });
    const expected = {
      id,
      name: "cats.mp4",
      meta: { project: "cats" },
      grant: expect.stringMatching(/^[0-9a-f-]{36}$/),
      reference: "order 7 🎬",
    };
    const document = await (await as(key, "GET", `/uploads/${id}`)).json();
    expect(document).toMatchObject(expected);
    expect(document).not.toHaveProperty("idempotencyKey");
    const { uploads } = await (await as(key, "GET", "/uploads?limit=1")).json<{ uploads: object[] }>();
    expect(uploads).toEqual([document]);
  });

  it("carries the Idempotency-Key of its creation", async () => {
    const headers = { "Tus-Resumable": "1.0.0", "Upload-Length": "5", "Idempotency-Key": "lesson 1" };
    const created = await as(key, "POST", "/uploads", { headers });
    const id = created.headers.get("sluice-upload-id");
    expect(await (await as(key, "GET", `/uploads/${id}`)).json()).toMatchObject({ idempotencyKey: "lesson 1" });
  });

  it("says how to show its video once it is ready", async () => {
    const { id, uid } = await create(key);
    const document = async () => (await as(key, "GET", `/uploads/${id}`)).json<object>();
    for (const member of ["playback", "thumbnail", "input", "signed"])
      expect(await document()).not.toHaveProperty(member);
    const video = parseVideo({
      uid,
      status: { state: "ready" },
      duration: 12,
      playback: { hls: "https://s.example/v.m3u8", dash: "https://s.example/v.mpd" },
      thumbnail: "https://s.example/t.jpg",
      input: { width: 640, height: 360 },
      requireSignedURLs: true,
    });
    if (video) await env.LEDGER.getByName("acme").record("live", video);
    expect(await document()).toMatchObject({
      state: "ready",
      playback: { hls: "https://s.example/v.m3u8", dash: "https://s.example/v.mpd" },
      thumbnail: "https://s.example/t.jpg",
      input: { width: 640, height: 360 },
      signed: true,
    });
  });
});
