import { readFile } from "node:fs/promises";
import Cloudflare from "cloudflare";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createStreamClient } from "../../src/local-stream/client.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { videoFile } from "../support/files.ts";

/** The local Stream's API: lists, storage and limits, also through Cloudflare's SDK. */

const SECONDS = 2;
const LIMIT = 60;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const videoPath = videoFile({ seconds: SECONDS });
let stream: LocalStream;
let client: ReturnType<typeof createStreamClient>;
let video: Buffer;

beforeAll(async () => {
  stream = await startLocalStream({ apiLimit: LIMIT, storageSeconds: 40_000, maxQueued: 2 });
  client = createStreamClient(stream);
  video = await readFile(videoPath);
});
afterAll(() => stream.close());
beforeEach(() => stream.reset());

describe("the cloudflare SDK", () => {
  it("creates, lists, reads, edits and deletes videos, and creates links and webhooks", async () => {
    const sdk = new Cloudflare({ apiToken: stream.token, baseURL: stream.apiBase, maxRetries: 0 });
    const account_id = stream.accountId;
    const made = await sdk.stream
      .create({ account_id, direct_user: true, "Tus-Resumable": "1.0.0", "Upload-Length": 5, "Upload-Creator": "u2" })
      .asResponse();
    expect(made.headers.get("location")).toContain(stream.uploadHost);
    const link = await sdk.stream.directUpload.create({ account_id, maxDurationSeconds: 60, creator: "u1" });
    expect(link.uploadURL).toContain(`${stream.uploadHost}/basic/`);

    const listed = [];
    for await (const one of sdk.stream.list({ account_id, creator: "u2" })) listed.push(one.uid);
    expect(listed).toEqual([made.headers.get("stream-media-id")]);
    const uid = listed[0] ?? "";
    expect(await sdk.stream.get(uid, { account_id })).toMatchObject({ uid, status: { state: "pendingupload" } });
    expect(await sdk.stream.edit(uid, { account_id, creator: "u3" })).toMatchObject({ uid, creator: "u3" });
    expect(await sdk.stream.videos.storageUsage({ account_id, creator: "u3" })).toMatchObject({
      creator: "u3",
      totalStorageMinutes: 240,
      videoCount: 1,
    });
    await sdk.stream.delete(uid, { account_id });
    await expect(sdk.stream.get(uid, { account_id })).rejects.toMatchObject({ status: 404 });

    const notificationUrl = "http://127.0.0.1:9/";
    expect(await sdk.stream.webhooks.update({ account_id, notificationUrl })).toMatchObject({ notificationUrl });
    await sdk.stream.webhooks.delete({ account_id });
    await expect(sdk.stream.webhooks.get({ account_id })).rejects.toMatchObject({ status: 404 });
  });
});

describe("GET /stream", () => {
  beforeEach(async () => {
    for (const [name, creator] of [
      ["One Cat", "u1"],
      ["two cats", "u2"],
      ["dog", "u1"],
    ] as const) {
      await client.createUpload(1, { name, maxdurationseconds: "60" }, creator);
      stream.advance(1_000);
    }
  });
  const names = async (query: string) => {
    const { result } = await client.api<{ meta: { name: string } }[]>("GET", query);
    return result.map(({ meta }) => meta.name);
  };

  it.each<[string, string[]]>([
    ["", ["dog", "two cats", "One Cat"]],
    ["?asc=true", ["One Cat", "two cats", "dog"]],
    ["?limit=1", ["dog"]],
    ["?creator=u1", ["dog", "One Cat"]],
    ["?creator=nobody", []],
    ["?search=CAT", ["two cats", "One Cat"]],
    ["?video_name=dog", ["dog"]],
    ["?status=pendingupload&creator=u2", ["two cats"]],
    ["?status=ready", []],
  ])("filters, orders and limits with %s", async (query, expected) => {
    expect(await names(query)).toEqual(expected);
  });

  it("is read page by page with the time of creation", async () => {
    const [newest, middle] = stream.videos();
    expect(await names(`?before=${middle?.created}`)).toEqual(["One Cat"]);
    expect(await names(`?after=${middle?.created}`)).toEqual(["dog"]);
    expect(await names(`?end=${newest?.created}&limit=1`)).toEqual(["two cats"]);
    expect(await client.api("GET", "?include_counts=true&limit=2")).toMatchObject({ total: "3", range: "2" });
  });

  it.each(["?limit=0", "?limit=1001", "?limit=x", "?status=done", "?before=yesterday", "?asc=1"])(
    "%s is refused",
    async (query) => {
      const answer = await client.api("GET", query);
      expect([answer.status, answer.errors[0]?.code]).toEqual([400, 10005]);
    },
  );

  it("refuses a missing credential, an unknown path and an unknown video, like every call", async () => {
    expect((await createStreamClient(stream, "wrong").api("GET", "")).status).toBe(401);
    expect((await client.api("GET", "/unknown")).status).toBe(404);
    expect((await client.api("GET", `/${stream.videos()[0]?.uid}/clip`)).status).toBe(404);
    expect((await client.api("PUT", `/${stream.videos()[0]?.uid}`)).status).toBe(405);
  });

  it("omits a video after its scheduled deletion", async () => {
    const scheduleddeletion = new Date(Date.now() + 31 * DAY_MS).toISOString();
    await client.createUpload(1, { name: "brief", scheduleddeletion });
    expect(await names("?search=brief")).toEqual(["brief"]);
    stream.advance(32 * DAY_MS);
    expect(await names("?search=brief")).toEqual([]);
  });
});

describe("account storage", () => {
  const stored = async (query = "") => {
    const { result } = await client.api<{ totalStorageMinutes: number }>("GET", `/storage-usage${query}`);
    return result.totalStorageMinutes * 60;
  };

  it("is reserved by creations, 4 hours without a duration, and refused when it is used up", async () => {
    await client.createUpload(1);
    await client.createUpload(1, { maxdurationseconds: "600" }, "u1");
    await client.api("POST", "/direct_upload", { maxDurationSeconds: 100, creator: "u1" });
    expect([await stored(), await stored("?creator=u1")]).toEqual([15_100, 700]);
    const answer = await client.api("POST", "/direct_upload", { maxDurationSeconds: 24_901 });
    expect([answer.status, answer.errors[0]?.code]).toEqual([413, 10011]);
    expect((await client.create()).status).toBe(201);
    expect((await client.create()).status).toBe(413);
  });

  it("is released when a video is processed, fails, expires or is deleted", async () => {
    const ready = await client.upload(video, { maxdurationseconds: "600" });
    const failed = await client.upload(video, { maxdurationseconds: "1" });
    await Promise.all([stream.settled(ready), stream.settled(failed)]);
    expect(await stored()).toBe(SECONDS);
    const { uid } = await client.createUpload(1, { maxdurationseconds: "50" });
    await client.createUpload(1, { maxdurationseconds: "500" });
    expect(await stored()).toBe(550 + SECONDS);
    await client.api("DELETE", `/${uid}`);
    expect(await stored()).toBe(500 + SECONDS);
    stream.advance(31 * MINUTE_MS);
    expect(await stored()).toBe(SECONDS);
    await client.api("DELETE", `/${ready}`);
    expect(await stored()).toBe(0);
  });

  it("follows an edit, and refuses an edit that exceeds it", async () => {
    const { uid } = await client.createUpload(1, { maxdurationseconds: "600" });
    await client.api("POST", `/${uid}`, { maxDurationSeconds: 1_200 });
    expect(await stored()).toBe(1_200);
    await client.createUpload(1, { maxdurationseconds: "36000" });
    expect((await client.api("POST", `/${uid}`, { maxDurationSeconds: 4_001 })).status).toBe(413);
    expect(await stored()).toBe(37_200);
  });
});

describe("account limits", () => {
  it("block every call for five minutes after too many calls in five minutes", async () => {
    for (let call = 0; call < LIMIT; call++) expect((await client.api("GET", "")).status).toBe(200);
    const blocked = await client.create();
    expect([blocked.status, await blocked.json()]).toMatchObject([429, { errors: [{ code: 971 }] }]);
    expect(Object.fromEntries(blocked.headers)).toMatchObject({
      "retry-after": "300",
      "x-ratelimit-limit": String(LIMIT),
      "x-ratelimit-remaining": "0",
      "x-ratelimit-reset": "300",
    });
    stream.advance(299_000);
    expect((await client.api("GET", "")).status).toBe(429);
    stream.advance(1_001);
    expect((await client.api("GET", "")).status).toBe(200);
  });

  it("count the calls of a sliding window, without those that lack a credential", async () => {
    const stranger = createStreamClient(stream, "wrong");
    for (let call = 0; call < LIMIT; call++) {
      if (call === LIMIT / 2) stream.advance(299_000);
      expect((await stranger.api("GET", "")).status).toBe(401);
      expect((await client.api("GET", "")).status).toBe(200);
    }
    // The first half is out of the window.
    stream.advance(1_001);
    for (let call = 0; call < LIMIT / 2; call++) expect((await client.api("GET", "")).status).toBe(200);
    expect((await client.api("GET", "")).status).toBe(429);
  });

  it("refuse an upload URL while too many videos are queued or encoding", async () => {
    const slow = await startLocalStream({ maxQueued: 2, processingMs: 5_000 });
    const { create, upload, api } = createStreamClient(slow);
    await upload(video);
    const queued = await upload(video);
    const refused = await create();
    expect([refused.status, await refused.text()]).toEqual([429, expect.stringContaining("queued or encoding")]);
    expect((await api("POST", "/direct_upload", { maxDurationSeconds: 1 })).status).toBe(429);
    await api("DELETE", `/${queued}`);
    expect((await create()).status).toBe(201);
    await slow.close();
  });
});
