import { readFile } from "node:fs/promises";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import Cloudflare from "cloudflare";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { videoFile } from "../support/files.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { READY_SECONDS, readyVideo } from "../support/ready-video.ts";
import { signTag } from "../support/sign-tag.ts";
import { type Receiver, startReceiver } from "../support/webhook-receiver.ts";

/** Videos without an upload: Stream fetches a file, or takes a part of a video. */

const SECONDS = 3;
/** In each link: it must appear nowhere. */
const SECRET = "X-Amz-Signature=5ca1ab1e";

const videoPath = videoFile({ seconds: SECONDS });
let harness: TestGateway;
let receiver: Receiver;
let origin: Server;
let key: string;
let bytes: number;
let link: (path?: string) => string;

const POLICY = {
  upload: { maxBytes: 50_000_000 },
  metadata: {
    requiresignedurls: { force: true },
    maxdurationseconds: { default: 600, max: 3_600 },
    allowedorigins: { default: ["app.acme.com"] },
    expiry: { max: "PT1H" },
  },
  custom: { "*": { allow: ["project"] } },
};

beforeAll(async () => {
  const video = await readFile(videoPath);
  bytes = video.byteLength;
  origin = createServer((request, response) => {
    if (request.url?.startsWith("/missing")) response.writeHead(404).end();
    else response.writeHead(200, { "Content-Type": "video/mp4" }).end(video);
  });
  await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
  const { port } = origin.address() as AddressInfo;
  link = (path = "/cats.mp4") => `http://127.0.0.1:${port}${path}?${SECRET}`;
  receiver = await startReceiver();
  harness = await startTestGateway({ STREAM_DEADLINE_MS: "500" }, { clipsKeepOptions: true });
  key = await harness.tenant("acme", { policy: POLICY });
  await harness.operator("PUT", "/tenants/acme/endpoints/all", { url: receiver.url("all") });
});
afterAll(async () => {
  await harness.stop();
  await receiver.close();
  origin.close();
});
beforeEach(() => harness.stream.clearFaults());

interface Document {
  readonly id: string;
  readonly uid: string;
  readonly state: string;
}

const send = (path: string, body: object, headers: object = {}, credential = key) =>
  fetch(harness.url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...bearer(credential), ...headers },
    body: JSON.stringify(body),
  });
const copy = (body: object, headers: object = {}) => send("/v1/acme/copies", body, headers);
const clip = (of: string, body: object, headers: object = {}) => send(`/v1/acme/uploads/${of}/clips`, body, headers);
const documentOf = async (answer: Promise<Response>) => (await answer).json() as Promise<Document>;
const codeOf = async (answer: Promise<Response>) => (await problemOf(await answer)).code;
const upload = async (id: string) =>
  (await fetch(`${harness.url}/v1/acme/uploads/${id}`, { headers: bearer(key) })).json() as Promise<object>;
async function ended(id: string, state: string): Promise<void> {
  await expect.poll(() => upload(id), { timeout: 10_000 }).toMatchObject({ state });
}
const calls = () => harness.stream.requests().map(({ method, url }) => `${method} ${url.split("/stream")[1]}`);
const videoOf = (uid: string) => harness.stream.videos().find((video) => video.uid === uid);
const eventsOf = (id: string) =>
  receiver
    .of("all")
    .map(({ text }) => JSON.parse(text) as { type: string; data: { upload: { id: string } } })
    .filter(({ data }) => data.upload.id === id);

describe("POST copies", () => {
  it("copies a file by one call, under the policy, and counts what Stream measures", async () => {
    harness.stream.clearRequests();
    const answer = await copy({ input: link(), creator: "user-1", meta: { name: "Cats", project: "p1", other: "x" } });
    expect(answer.status).toBe(201);
    expect(answer.headers.get("upload-expires")).toBeNull();
    const made = (await answer.json()) as Document;
    expect(made).toEqual({
      id: answer.headers.get("sluice-upload-id"),
      state: "issued",
      uid: answer.headers.get("stream-media-id"),
      creator: "user-1",
      subject: "user-1",
      namespace: "tenant",
      bytes: 50_000_000,
      seconds: 600,
      createdAt: expect.any(String),
      source: "copy",
      name: "Cats",
      meta: { project: "p1" },
    });
    expect(calls()).toEqual(["POST /copy"]);
    await ended(made.id, "ready");
    expect(await upload(made.id)).toMatchObject({ bytes, seconds: SECONDS, source: "copy" });
    expect(videoOf(made.uid)).toMatchObject({
      requireSignedURLs: true,
      allowedOrigins: ["app.acme.com"],
      creator: "user-1",
      meta: { name: "Cats", project: "p1", sluice: signTag(harness.stream, "acme", made.id) },
    });
    await expect.poll(() => eventsOf(made.id).map(({ type }) => type)).toEqual(["upload.created", "upload.ready"]);
    expect(eventsOf(made.id)[0]?.data.upload).toMatchObject({ source: "copy" });
    expect(eventsOf(made.id)[0]?.data.upload).not.toHaveProperty("expiresAt");
  });

  it("works with Cloudflare's SDK", async () => {
    const client = new Cloudflare({
      baseURL: `${harness.url}/client/v4`,
      apiToken: key,
      apiEmail: null,
      apiKey: null,
    });
    const made = await client.stream.copy.create({ account_id: "acme", url: link(), name: "Dogs" });
    expect(made).toMatchObject({ status: { state: "downloading" }, requireSignedURLs: true, meta: { name: "Dogs" } });
    expect(made.uploadExpiry ?? null).toBeNull();
    await ended(made.uid ?? "", "ready");
    expect(await client.stream.get(made.uid ?? "", { account_id: "acme" })).toMatchObject({ duration: SECONDS });
  });

  it.each([
    ["longer", { maxDurationSeconds: SECONDS - 1 }],
    ["larger", { bytes: 100 }],
  ])("fails if the file is %s than was decided, and deletes its video", async (_, bound) => {
    const made = await documentOf(copy({ input: link(), ...bound }));
    await ended(made.id, "failed");
    expect(await upload(made.id)).toMatchObject({ failure: "ERR_SLUICE_POLICY" });
    await expect.poll(() => videoOf(made.uid), { timeout: 10_000 }).toBeUndefined();
    await expect.poll(() => eventsOf(made.id).map(({ type }) => type)).toEqual(["upload.created", "upload.failed"]);
    expect(eventsOf(made.id)[1]?.data.upload).toMatchObject({ failure: "ERR_SLUICE_POLICY" });
    expect(await upload(made.id)).toMatchObject({ state: "failed" });
  });

  it("fails with Stream's code if Stream cannot fetch the file, and is made anew by a repeat", async () => {
    const headers = { "Idempotency-Key": "missing" };
    const made = await documentOf(copy({ input: link("/missing.mp4") }, headers));
    await ended(made.id, "failed");
    expect(await upload(made.id)).toMatchObject({ failure: "ERR_FETCH_ORIGIN_ERROR" });
    const again = await documentOf(copy({ input: link("/missing.mp4") }, headers));
    expect(again.id).not.toBe(made.id);
  });

  it("replays a copy with the same key, and the same link, also when it is ready", async () => {
    const headers = { "Idempotency-Key": "k1" };
    const made = await documentOf(copy({ input: link() }, headers));
    const repeat = async () => {
      const answer = await copy({ input: link() }, headers);
      return [answer.status, answer.headers.get("idempotency-replayed"), ((await answer.json()) as Document).id];
    };
    expect(await repeat()).toEqual([201, "true", made.id]);
    await ended(made.id, "ready");
    expect(await repeat()).toEqual([201, "true", made.id]);
    expect(await codeOf(copy({ input: link("/dogs.mp4") }, headers))).toBe("idempotency_key_reused");
  });

  it("deletes a copy whose answer was lost, and makes another one for a repeat", async () => {
    const headers = { "Idempotency-Key": "lost" };
    harness.stream.addFault({ on: "api", kind: "reset-after" });
    expect(await codeOf(copy({ input: link(), meta: { name: "Lost" } }, headers))).toBe("stream_unreachable");
    const again = await documentOf(copy({ input: link(), meta: { name: "Lost" } }, headers));
    await ended(again.id, "ready");
    const named = () => harness.stream.videos().filter(({ meta }) => meta["name"] === "Lost");
    await expect.poll(() => named().map(({ uid }) => uid), { timeout: 10_000 }).toEqual([again.uid]);
  });

  it.each([
    ["no link", {}, "body_invalid"],
    ["two links", { input: "https://a.example.com/a.mp4", url: "https://a.example.com/a.mp4" }, "body_invalid"],
    ["http", { input: "http://videos.example.com/a.mp4" }, "body_invalid"],
    ["an address", { input: "https://10.0.0.1/a.mp4" }, "body_invalid"],
    ["a private name", { input: "https://metadata.internal/a.mp4" }, "body_invalid"],
    ["user info", { input: "https://user:pass@videos.example.com/a.mp4" }, "body_invalid"],
    ["an expiry", { input: "https://videos.example.com/a.mp4", expiry: "2030-01-01T00:00:00Z" }, "body_invalid"],
    ["too many bytes", { input: "https://videos.example.com/a.mp4", bytes: 50_000_001 }, "upload_too_large"],
    ["too many seconds", { input: "https://videos.example.com/a.mp4", maxDurationSeconds: 3_601 }, "policy_violation"],
  ])("refuses %s", async (_, body, code) => {
    harness.stream.clearRequests();
    expect(await codeOf(copy(body))).toBe(code);
    expect(calls()).toEqual([]);
  });

  it("refuses options in Upload-Metadata, which would be dropped", async () => {
    expect(await codeOf(copy({ input: link() }, { "Upload-Metadata": "requiresignedurls" }))).toBe("bad_request");
  });

  it("needs its scope and its feature", async () => {
    const creator = await harness.tenant("creators", {}, { name: "c", scopes: ["uploads:create"] });
    expect(await codeOf(send("/v1/creators/copies", { input: link() }, {}, creator))).toBe("scope_missing");
    const none = await harness.tenant("none", { policy: { features: [] } });
    expect(await codeOf(send("/v1/none/copies", { input: link() }, {}, none))).toBe("feature_not_allowed");
  });

  it("judges the type of the file by the extension in the link", async () => {
    const token = await harness.tenant("types", { policy: { upload: { fileTypes: ["video/mp4", ".mkv"] } } });
    const at = (path: string) => send("/v1/types/copies", { input: link(path) }, {}, token);
    expect((await at("/a.MP4")).status).toBe(201);
    expect((await at("/a.mkv")).status).toBe(201);
    expect(await codeOf(at("/a.avi"))).toBe("file_type_not_allowed");
    expect(await codeOf(at("/a"))).toBe("file_type_not_allowed");
  });
});

describe("POST uploads/:id/clips", () => {
  let uploaded: Promise<string> | undefined;
  const parentVideo = () => (uploaded ??= readyVideo(harness, "acme", key));
  const range = { startTimeSeconds: 0, endTimeSeconds: 1 };

  it("is as it was decided, although Stream lets it take after its parent", async () => {
    const parent = await parentVideo();
    harness.stream.clearRequests();
    const answer = await clip(parent, { ...range, meta: { project: "p2" }, allowedOrigins: ["clips.acme.com"] });
    expect(answer.status).toBe(201);
    const made = (await answer.json()) as Document;
    expect(made).toMatchObject({ source: "clip", clippedFrom: parent, seconds: 1, meta: { project: "p2" } });
    expect(calls()).toEqual(["POST /clip", `POST /${made.uid}`]);
    expect(videoOf(made.uid)).toMatchObject({
      requireSignedURLs: true,
      allowedOrigins: ["clips.acme.com"],
      meta: { project: "p2", sluice: signTag(harness.stream, "acme", made.id) },
    });
    await ended(made.id, "ready");
    expect(await upload(made.id)).toMatchObject({ seconds: 1, source: "clip", clippedFrom: parent });
  });

  it("is deleted if it cannot be set as it was decided", async () => {
    const parent = await parentVideo();
    harness.stream.addFault({ on: "api", kind: "latency", milliseconds: 0 });
    harness.stream.addFault({ on: "api", kind: "status", status: 500 });
    const before = harness.stream.videos().length;
    expect(await codeOf(clip(parent, range))).toBe("stream_error");
    await expect.poll(() => harness.stream.videos().length, { timeout: 10_000 }).toBe(before);
  });

  it("works with Cloudflare's SDK", async () => {
    const client = new Cloudflare({
      baseURL: `${harness.url}/client/v4`,
      apiToken: key,
      apiEmail: null,
      apiKey: null,
    });
    const parent = await parentVideo();
    const made = await client.stream.clip.create({ account_id: "acme", clippedFromVideoUID: parent, ...range });
    expect(made).toMatchObject({ clippedFrom: parent, requireSignedURLs: true });
  });

  it("is bounded by the policy", async () => {
    const token = await harness.tenant("short");
    const of = await readyVideo(harness, "short", token);
    await harness.operator("PUT", "/tenants/short", { policy: { metadata: { maxdurationseconds: { max: 1 } } } });
    const at = (body: object) => send(`/v1/short/uploads/${of}/clips`, body, {}, token);
    expect(await codeOf(at({ startTimeSeconds: 0, endTimeSeconds: 2 }))).toBe("policy_violation");
    expect((await at(range)).status).toBe(201);
  });

  it.each([
    ["an end before its start", { startTimeSeconds: 1, endTimeSeconds: 1 }],
    ["an end after the video's", { startTimeSeconds: 0, endTimeSeconds: READY_SECONDS + 1 }],
    ["fractions of seconds", { startTimeSeconds: 0.5, endTimeSeconds: 1 }],
    ["no end", { startTimeSeconds: 0 }],
  ])("refuses %s", async (_, body) => {
    expect(await codeOf(clip(await parentVideo(), body))).toBe("body_invalid");
  });

  it("is made of a ready video of the caller's own", async () => {
    const other = await harness.tenant("other", {});
    const path = `/v1/other/uploads/${await parentVideo()}/clips`;
    expect(await codeOf(send(path, range, {}, other))).toBe("not_found");
    const pending = await create(harness.url, "acme", bearer(key));
    const uid = pending.headers.get("stream-media-id") ?? "";
    expect(await codeOf(clip(uid, range))).toBe("upload_not_ready");
  });
});

describe("a link", () => {
  it("is in no log line, event, list, answer or row", async () => {
    const errors = [{ code: 10010, message: `cannot fetch ${link()}` }];
    harness.stream.addFault({ on: "api", kind: "status", status: 400, body: JSON.stringify({ errors }) });
    expect(await codeOf(copy({ input: link() }))).toBe("stream_rejected");
    const made = await documentOf(copy({ input: link(), meta: { name: "Secret" } }));
    await ended(made.id, "ready");
    const stream = `${harness.url}/client/v4/accounts/acme/stream`;
    const get = async (url: string, token = key) => (await fetch(url, { headers: bearer(token) })).text();
    const answers = [
      JSON.stringify(made),
      await get(`${harness.url}/v1/acme/uploads`),
      await get(`${harness.url}/v1/acme/uploads/${made.id}`),
      await get(`${harness.url}/v1/acme/uploads/${made.id}?view=stream`),
      await get(stream),
      await get(`${stream}/${made.uid}`),
      JSON.stringify(await harness.operator("GET", "/tenants/acme/events?limit=100")),
      await (await copy({ input: `${link()}\\`, url: link() })).text(),
      JSON.stringify(receiver.of("all").map(({ text }) => text)),
    ];
    expect(videoOf(made.uid)?.meta["downloaded-from"]).toContain(SECRET);
    const rows = JSON.stringify(await harness.ledgers());
    expect(rows).toContain(made.id);
    expect(harness.log.join("\n")).toContain("10010");
    for (const text of [...answers, rows, harness.log.join("\n")]) {
      expect(text).not.toContain("5ca1ab1e");
      expect(text).not.toContain("downloaded-from");
    }
  });
});
