import Cloudflare from "cloudflare";
import Cloudflare5 from "cloudflare-5";
import Cloudflare6 from "cloudflare-6";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, problemOf } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";

/** Cloudflare's official SDK with another base URL and a tenant's key, and other requests to its paths. */

let harness: TestGateway;
let key: string;
let otherKey: string;

beforeAll(async () => {
  harness = await startTestGateway();
});
afterAll(() => harness.stop());

let tenants = 0;
let account_id: string;

/** New tenants for each test, since each test lists all videos of its tenant. */
beforeEach(async () => {
  harness.stream.reset();
  account_id = `tenant-${++tenants}`;
  key = await harness.tenant(account_id, { limits: { storedSeconds: 36_000 } });
  otherKey = await harness.tenant(`other-${tenants}`);
});

const clientOf = (apiToken: string) =>
  new Cloudflare({ apiToken, baseURL: `${harness.url}/client/v4`, maxRetries: 0 }).stream;

async function create(name: string, creator = "user-1"): Promise<string> {
  const answer = await clientOf(key)
    .create({
      account_id,
      "Tus-Resumable": "1.0.0",
      "Upload-Length": 5,
      "Upload-Metadata": metadataHeader({ name }),
      "Upload-Creator": creator,
    })
    .asResponse();
  return answer.headers.get("stream-media-id") ?? "";
}

async function uidsOf(list: AsyncIterable<{ uid?: string }>): Promise<(string | undefined)[]> {
  const uids = [];
  for await (const { uid } of list) uids.push(uid);
  return uids;
}

const calls = () => harness.stream.requests().map(({ method, url }) => `${method} ${url.split("/stream")[1]}`);
const fetchPath = (method: string, path: string, credential = key) =>
  fetch(`${harness.url}/client/v4/accounts/${account_id}/stream${path}`, { method, headers: bearer(credential) });

describe("Cloudflare's SDK", () => {
  it("lists the tenant's videos without a call to Stream", async () => {
    const [first, second] = [await create("a"), await create("b", "user-2")];
    harness.stream.clearRequests();
    expect(await uidsOf(clientOf(key).list({ account_id }))).toEqual([second, first]);
    expect(await uidsOf(clientOf(key).list({ account_id, creator: "user-2" }))).toEqual([second]);
    expect(await uidsOf(clientOf(key).list({ account_id, status: "pendingupload", limit: 1 }))).toEqual([second]);
    expect(await uidsOf(clientOf(key).list({ account_id, after: "2020-01-01T00:00:00Z" }))).toHaveLength(2);
    expect(await uidsOf(clientOf(key).list({ account_id, before: "2020-01-01T00:00:00Z" }))).toEqual([]);
    expect(calls()).toEqual([]);
  });

  it("lists videos by id, name, part of a name and type, without a call to Stream", async () => {
    const [cats, dogs] = [await create("Cats, asleep"), await create("Dogs")];
    harness.stream.clearRequests();
    const list = (filter: object) => uidsOf(clientOf(key).list({ account_id, ...filter }));
    expect(await list({ id: cats })).toEqual([cats]);
    expect(await list({ id: `${cats},${dogs}`, asc: true })).toEqual([cats, dogs]);
    expect(await list({ id: "f".repeat(32) })).toEqual([]);
    expect(await list({ name: `Dogs,${cats}` })).toEqual([dogs, cats]);
    expect(await list({ video_name: "Cats, asleep" })).toEqual([cats]);
    expect(await list({ video_name: "Cats" })).toEqual([]);
    expect(await list({ search: "CAT" })).toEqual([cats]);
    expect(await list({ search: "s", creator: "user-1", status: "pendingupload", limit: 1 })).toEqual([dogs]);
    expect(await list({ type: "vod" })).toEqual([dogs, cats]);
    expect(await list({ type: "live" })).toEqual([]);
    expect(await list({ live_input_id: "f".repeat(32) })).toEqual([]);
    expect(calls()).toEqual([]);
  });

  it("lists what a creation has stored in meta before Stream describes the video", async () => {
    await create("cats");
    const [video] = (
      await clientOf(key)
        .list({ account_id })
        .asResponse()
        .then((answer) => answer.json() as Promise<{ result: object[] }>)
    ).result;
    expect(video).toMatchObject({ meta: { name: "cats" } });
  });

  it("gets one page of a list: limit ends it", async () => {
    for (const name of ["a", "b"]) await create(name);
    expect(await uidsOf(clientOf(key).list({ account_id, limit: 1 }))).toHaveLength(1);
  });

  it("gets an error for an unknown parameter", async () => {
    const query = { account_id, language: "en" } as Parameters<ReturnType<typeof clientOf>["list"]>[0];
    await expect(clientOf(key).list(query)).rejects.toMatchObject({
      status: 400,
      errors: [{ code: 10005, message: expect.stringContaining('Unknown query parameter "language"') }],
    });
  });

  it("gets a video from Stream, without the gateway's tag", async () => {
    const uid = await create("cats");
    expect(await clientOf(key).get(uid, { account_id })).toMatchObject({
      uid,
      creator: "user-1",
      meta: { name: "cats" },
      status: { state: "pendingupload" },
      uploadExpiry: expect.any(String),
    });
    expect((await clientOf(key).get(uid, { account_id })).meta).not.toHaveProperty("sluice");
    expect(harness.stream.videos()[0]?.meta["sluice"]).toMatch(/^tenant-\d+\/[0-9a-f-]{36}\/[\w-]{16}$/);
    expect(calls().slice(1)).toEqual([`GET /${uid}`, `GET /${uid}`]);
  });

  it.each([
    ["today", Cloudflare],
    ["the major before", Cloudflare6],
    ["two majors before", Cloudflare5],
  ])("of %s edits a video, and gets it as it is then", async (_, Client) => {
    const uid = await create("cats");
    const { stream } = new Client({ apiToken: key, baseURL: `${harness.url}/client/v4`, maxRetries: 0 }) as Cloudflare;
    const edit = {
      meta: { name: "dogs" },
      requireSignedURLs: true,
      allowedOrigins: ["app.acme.com"],
      creator: "user-2",
    };
    const edited = await stream.edit(uid, { account_id, ...edit });
    expect(edited).toMatchObject({ uid, ...edit });
    expect(await stream.get(uid, { account_id })).toEqual(edited);
    expect(await uidsOf(stream.list({ account_id, creator: "user-2" }))).toEqual([uid]);
    await expect(clientOf(otherKey).edit(uid, { account_id: `other-${tenants}` })).rejects.toMatchObject({
      status: 404,
    });
  });

  it("deletes a video", async () => {
    const uid = await create("cats");
    const answer = await clientOf(key).delete(uid, { account_id }).asResponse();
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
    expect(harness.stream.videos()).toEqual([]);
    const missing = { status: 404, errors: [{ code: 10003, message: "There is no such upload." }] };
    await expect(clientOf(key).get(uid, { account_id })).rejects.toMatchObject(missing);
    await expect(clientOf(key).delete(uid, { account_id })).rejects.toMatchObject(missing);
    expect(await uidsOf(clientOf(key).list({ account_id }))).toEqual([]);
    expect((await clientOf(key).videos.storageUsage({ account_id })).totalStorageMinutes).toBe(0);
  });

  it("creates basic links", async () => {
    const made = await clientOf(key).directUpload.create({
      account_id,
      maxDurationSeconds: 60,
      creator: "user-1",
      meta: { name: "cats" },
      requireSignedURLs: true,
      allowedOrigins: ["app.acme.com"],
      thumbnailTimestampPct: 0.25,
    });
    expect(made).toEqual({
      uid: expect.stringMatching(/^[0-9a-f]{32}$/),
      uploadURL: expect.stringContaining("/basic/"),
    });
    expect(harness.stream.videos()).toMatchObject([
      {
        uid: made.uid,
        creator: "user-1",
        maxDurationSeconds: 60,
        requireSignedURLs: true,
        allowedOrigins: ["app.acme.com"],
        thumbnailTimestampPct: 0.25,
        meta: { name: "cats" },
      },
    ]);
    const byHeader = { account_id, maxDurationSeconds: 60, "Upload-Creator": "user-2" };
    await clientOf(key).directUpload.create(byHeader);
    expect(harness.stream.videos()[0]?.creator).toBe("user-2");
    expect(await uidsOf(clientOf(key).list({ account_id, creator: "user-1" }))).toEqual([made.uid]);
  });

  it("creates basic links with numbers and booleans in meta, which are stored as text", async () => {
    await harness.operator("PUT", `/tenants/${account_id}`, {
      policy: { custom: { "*": { allow: ["take", "public"] } } },
      limits: {},
    });
    const meta = { name: "cats", take: 5, public: true, other: null };
    const { uid = "" } = await clientOf(key).directUpload.create({ account_id, maxDurationSeconds: 60, meta });
    expect((await clientOf(key).get(uid, { account_id })).meta).toEqual({ name: "cats", take: "5", public: "true" });
  });

  it("gets the tenant's storage usage and limit, without what pending uploads reserve", async () => {
    await clientOf(key).directUpload.create({ account_id, maxDurationSeconds: 600 });
    await clientOf(key).directUpload.create({ account_id, maxDurationSeconds: 60, creator: "user-1" });
    const limit = { totalStorageMinutesLimit: 600 };
    expect(await clientOf(key).videos.storageUsage({ account_id })).toEqual({
      totalStorageMinutes: 0,
      videoCount: 0,
      ...limit,
    });
    expect(await clientOf(key).videos.storageUsage({ account_id, creator: "user-1" })).toEqual({
      creator: "user-1",
      totalStorageMinutes: 0,
      videoCount: 0,
      ...limit,
    });
  });

  it("sees only the videos of its tenant", async () => {
    const uid = await create("cats");
    const other = { account_id: `other-${tenants}` };
    expect(await uidsOf(clientOf(otherKey).list(other))).toEqual([]);
    await expect(clientOf(otherKey).get(uid, other)).rejects.toMatchObject({ status: 404 });
    await expect(clientOf(otherKey).delete(uid, other)).rejects.toMatchObject({ status: 404 });
    expect((await clientOf(otherKey).videos.storageUsage(other)).totalStorageMinutes).toBe(0);
    await expect(clientOf(otherKey).list({ account_id })).rejects.toMatchObject({ status: 403 });
    expect(harness.stream.videos()).toHaveLength(1);
  });
});

describe("/client/v4/accounts/:tenant/stream", () => {
  it("finds a video only by its uid", async () => {
    await create("cats");
    const uploads = await fetch(`${harness.url}/v1/${account_id}/uploads`, { headers: bearer(key) });
    const [upload] = ((await uploads.json()) as { uploads: { id: string }[] }).uploads;
    expect((await fetchPath("GET", `/${upload?.id}`)).status).toBe(404);
    expect((await fetchPath("DELETE", `/${upload?.id}`)).status).toBe(404);
    expect(harness.stream.videos()).toHaveLength(1);
  });

  it.each([
    ["HEAD", "", "GET, OPTIONS, POST"],
    ["PATCH", "", "GET, OPTIONS, POST"],
    ["HEAD", `/${"a".repeat(32)}`, "DELETE, GET, OPTIONS, POST"],
    ["PUT", `/${"a".repeat(32)}/downloads`, "DELETE, GET, OPTIONS, POST"],
    ["POST", "/watermarks", "GET, OPTIONS"],
    ["GET", "/direct_upload", "OPTIONS, POST"],
    ["HEAD", "/storage-usage", "GET, OPTIONS"],
    ["POST", "/storage-usage", "GET, OPTIONS"],
  ])("returns 405 for %s %s", async (method, path, allow) => {
    const answer = await fetchPath(method, path);
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, allow]);
    if (method !== "HEAD") expect(await answer.json()).toMatchObject({ success: false, code: "method_not_allowed" });
    expect(harness.stream.requests()).toEqual([]);
  });

  it.each(["GET", "DELETE", "POST"])("returns 501 with what is offered for %s of anything else", async (method) => {
    const uid = await create("a");
    harness.stream.clearRequests();
    for (const path of ["/keys", "/live_inputs", `/${uid}/embed`, `/${uid}/audio`, `/downloads/stream/${uid}`]) {
      const answer = await fetchPath(method, path);
      expect([answer.status, answer.headers.get("x-should-retry")]).toEqual([501, "false"]);
      expect(await answer.json()).toMatchObject({
        code: "not_offered",
        success: false,
        offered: expect.arrayContaining(["POST /stream", "GET /stream", "GET /stream/:uid", "GET /stream/watermarks"]),
      });
    }
    expect(harness.stream.requests()).toEqual([]);
  });

  it("lets pages read that they need not ask again", async () => {
    const answer = await fetch(`${harness.url}/client/v4/accounts/acme/stream/keys`, {
      headers: { Origin: "https://page.example" },
    });
    expect(answer.headers.get("access-control-expose-headers")).toContain("X-Should-Retry");
  });

  it("is not asked again by the SDK for what is not offered", async () => {
    const before = harness.log.length;
    const patient = new Cloudflare({ apiToken: key, baseURL: `${harness.url}/client/v4`, maxRetries: 2 });
    await expect(patient.stream.keys.create({ account_id })).rejects.toMatchObject({ status: 501 });
    await expect.poll(() => harness.log.length - before).toBe(1);
  });

  it("creates a basic link as Cloudflare's documentation does with curl, which sends JSON as a form", async () => {
    const answer = await fetch(`${harness.url}/client/v4/accounts/${account_id}/stream/direct_upload`, {
      method: "POST",
      headers: { ...bearer(key), "Content-Type": "application/x-www-form-urlencoded" },
      body: '{ "maxDurationSeconds": 3600, "expiry": null, "requireSignedURLs": true, "allowedOrigins": ["example.com"] }',
    });
    expect([answer.status, await answer.json()]).toMatchObject([
      200,
      { success: true, result: { uid: expect.any(String) } },
    ]);
    expect(harness.stream.videos()).toMatchObject([{ maxDurationSeconds: 3_600, requireSignedURLs: true }]);
  });

  it("applies X-HTTP-Method-Override", async () => {
    const uid = await create("cats");
    const answer = await fetch(`${harness.url}/client/v4/accounts/${account_id}/stream/${uid}`, {
      method: "POST",
      headers: { ...bearer(key), "X-HTTP-Method-Override": "DELETE" },
    });
    expect([answer.status, harness.stream.videos()]).toEqual([200, []]);
  });

  it("answers preflights, so that a page can read errors", async () => {
    const headers = { Origin: "https://app.acme.com", "Access-Control-Request-Method": "DELETE" };
    for (const path of [`client/v4/accounts/${account_id}/stream/x`, `v1/${account_id}/uploads/x`]) {
      const answer = await fetch(`${harness.url}/${path}`, { method: "OPTIONS", headers });
      expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([204, headers.Origin]);
      expect(answer.headers.get("access-control-allow-methods")).toContain("DELETE");
    }
  });

  it("returns 502 when Stream fails and 404 when the video was just deleted", async () => {
    const uid = await create("cats");
    harness.stream.addFault({ on: "api", kind: "status", status: 500 });
    expect((await problemOf(await fetchPath("GET", `/${uid}`))).code).toBe("stream_error");
    const { apiBase, accountId, token } = harness.stream;
    await fetch(`${apiBase}/accounts/${accountId}/stream/${uid}`, { method: "DELETE", headers: bearer(token) });
    expect((await fetchPath("GET", `/${uid}`)).status).toBe(404);
  });
});
