import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Cloudflare from "cloudflare";
import * as tus from "tus-js-client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type LocalStream, startLocalStream } from "../local-stream/server.ts";
import { metadataHeader } from "../support/harness.ts";
import { makeVideo } from "../support/media.ts";

/** The local Stream is what everything else is tested against, so it is tested by itself, and by others' clients. */

let stream: LocalStream;
let folder: string;
let video: Buffer;
const LIMIT = 40;
const SECONDS = 2;

beforeAll(async () => {
  stream = await startLocalStream({ apiLimit: LIMIT, storageSeconds: 40_000, watermarks: ["w1"] });
  folder = await mkdtemp(join(tmpdir(), "stream-video-"));
  await makeVideo({ path: join(folder, "video.mp4"), seconds: SECONDS, bytes: 100_000 });
  video = await readFile(join(folder, "video.mp4"));
});
afterAll(async () => {
  await stream.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => stream.reset());

const account = () => `${stream.apiBase}/accounts/${stream.accountId}/stream`;
const authorized = () => ({ Authorization: `Bearer ${stream.token}` });

function create(headers: Record<string, string> = {}, query = "?direct_user=true"): Promise<Response> {
  const all = { ...authorized(), "Tus-Resumable": "1.0.0", "Upload-Length": String(video.byteLength), ...headers };
  return fetch(account() + query, { method: "POST", headers: all });
}

const withMetadata = (metadata: Record<string, string | null>) =>
  create({ "Upload-Metadata": metadataHeader(metadata) });

function send(location: string): Promise<void> {
  return new Promise((resolve, reject) => {
    new tus.Upload(video, {
      uploadUrl: location,
      retryDelays: [0],
      onSuccess: () => resolve(),
      onError: reject,
    }).start();
  });
}

async function createAndSend(metadata: Record<string, string | null> = { name: "a" }): Promise<string> {
  const answer = await withMetadata(metadata);
  await send(answer.headers.get("location") ?? "");
  return answer.headers.get("stream-media-id") ?? "";
}

describe("a creation", () => {
  it("answers as Cloudflare documents it: 201, nothing in the body, two ids that differ", async () => {
    const answer = await create();
    expect([answer.status, await answer.text()]).toEqual([201, ""]);
    const uid = answer.headers.get("stream-media-id") ?? "";
    expect(uid).toMatch(/^[0-9a-f]{32}$/);
    expect(answer.headers.get("location")).not.toContain(uid);
    expect(answer.headers.get("tus-resumable")).toBe("1.0.0");
  });

  it("takes the global key as well, and no other credential", async () => {
    const withKey = { Authorization: undefined, "X-Auth-Email": stream.email, "X-Auth-Key": stream.globalKey };
    const headers = { ...withKey, "Tus-Resumable": "1.0.0", "Upload-Length": "1" };
    const { Authorization: _, ...rest } = headers;
    expect((await fetch(`${account()}?direct_user=true`, { method: "POST", headers: rest })).status).toBe(201);
    expect((await create({ Authorization: "Bearer wrong" })).status).toBe(401);
  });

  const ahead = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString();
  const days = 24 * 3_600;

  it.each<[string, Record<string, string>, RegExp]>([
    ["another version", { "Tus-Resumable": "0.2.2" }, /Tus-Resumable/],
    ["a length that is none", { "Upload-Length": "-1" }, /Upload-Length/],
    ["a file that is too large", { "Upload-Length": "30000000001" }, /maximum/],
    ["a creator that is too long", { "Upload-Creator": "c".repeat(65) }, /Upload-Creator/],
    ["an empty pair", { "Upload-Metadata": "name YQ==,," }, /empty/],
    ["no base64", { "Upload-Metadata": "name a" }, /not base64/],
    ["no UTF-8", { "Upload-Metadata": "name //4=" }, /not UTF-8/],
    ["a key twice", { "Upload-Metadata": "name YQ==,NAME YQ==" }, /twice/],
    ["no duration", { "Upload-Metadata": metadataHeader({ maxdurationseconds: "0" }) }, /maxDurationSeconds/],
    [
      "a duration that is too long",
      { "Upload-Metadata": metadataHeader({ maxDurationSeconds: "36001" }) },
      /maxDurationSeconds/,
    ],
    ["an expiry too near", { "Upload-Metadata": metadataHeader({ expiry: ahead(60) }) }, /expiry/],
    ["an expiry too far", { "Upload-Metadata": metadataHeader({ expiry: ahead(7 * 3_600) }) }, /expiry/],
    ["an expiry that is none", { "Upload-Metadata": metadataHeader({ expiry: "soon" }) }, /RFC 3339/],
    [
      "an origin with a scheme",
      { "Upload-Metadata": metadataHeader({ allowedorigins: "https://a.example" }) },
      /must not specify protocol/,
    ],
    ["localhost without a port", { "Upload-Metadata": metadataHeader({ allowedorigins: "localhost" }) }, /port/],
    [
      "a percentage over 1",
      { "Upload-Metadata": metadataHeader({ thumbnailtimestamppct: "1.5" }) },
      /thumbnailTimestampPct/,
    ],
    ["an unknown watermark", { "Upload-Metadata": metadataHeader({ watermark: "w2" }) }, /watermark/],
    [
      "a deletion too near",
      { "Upload-Metadata": metadataHeader({ scheduleddeletion: ahead(29 * days) }) },
      /scheduledDeletion/,
    ],
    [
      "a deletion too far",
      { "Upload-Metadata": metadataHeader({ scheduleddeletion: ahead(1_097 * days) }) },
      /scheduledDeletion/,
    ],
  ])("with %s is a 400 that says so in messages", async (_, headers, text) => {
    const answer = await create(headers);
    expect(answer.status).toBe(400);
    const body = (await answer.json()) as {
      success: boolean;
      errors: { code: number }[];
      messages: { message: string }[];
    };
    expect(body).toMatchObject({ result: null, success: false, errors: [{ code: 10005 }] });
    expect(body.messages[0]?.message).toMatch(text);
    expect(stream.videos()).toEqual([]);
  });

  it("that is not for a user, or of another account, is refused", async () => {
    expect((await create({}, "")).status).toBe(400);
    const elsewhere = `${stream.apiBase}/accounts/another/stream?direct_user=true`;
    expect((await fetch(elsewhere, { method: "POST", headers: authorized() })).status).toBe(404);
  });

  it("keeps what it does not know in meta, and takes requiresignedurls by its presence", async () => {
    await withMetadata({
      Project: "p1",
      requireSignedURLs: "false",
      allowedorigins: "a.example,*.b.example",
      watermark: "w1",
    });
    expect(stream.videos()).toMatchObject([
      {
        meta: { project: "p1" },
        requireSignedURLs: true,
        allowedOrigins: ["a.example", "*.b.example"],
        watermark: { uid: "w1" },
      },
    ]);
  });
});

describe("an upload", () => {
  it("makes a video ready, with the duration that is in the file", async () => {
    const uid = await createAndSend({ name: "cats" });
    expect(await stream.settled(uid)).toMatchObject({
      status: { state: "ready" },
      duration: SECONDS,
      readyToStream: true,
    });
  });

  it("longer than was allowed, or of no video, fails", async () => {
    const tooLong = await createAndSend({ maxdurationseconds: "1" });
    expect((await stream.settled(tooLong)).status.errorReasonCode).toBe("ERR_DURATION_EXCEED_CONSTRAINT");
    const text = await create({ "Upload-Length": "5" });
    const body = "hello";
    const headers = {
      "Tus-Resumable": "1.0.0",
      "Upload-Offset": "0",
      "Content-Type": "application/offset+octet-stream",
    };
    expect((await fetch(text.headers.get("location") ?? "", { method: "PATCH", headers, body })).status).toBe(204);
    const uid = text.headers.get("stream-media-id") ?? "";
    expect((await stream.settled(uid)).status.errorReasonCode).toBe("ERR_NON_VIDEO");
  });

  it("comes in chunks of the right size, to a URL that is alive, by HEAD and PATCH only", async () => {
    const answer = await create({ "Upload-Length": "20000000" });
    const location = answer.headers.get("location") ?? "";
    const patch = (bytes: number) =>
      fetch(location, {
        method: "PATCH",
        headers: { "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream" },
        body: new Uint8Array(bytes),
      });
    expect((await patch(1_000)).status).toBe(400);
    expect((await patch(5 * 1024 * 1024 + 1)).status).toBe(400);
    expect((await patch(5 * 1024 * 1024)).status).toBe(204);
    expect(
      (await fetch(location, { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" } })).headers.get("upload-offset"),
    ).toBe("5242880");
    for (const method of ["POST", "DELETE", "GET"]) expect((await fetch(location, { method })).status).toBe(405);
    const preflight = await fetch(location, { method: "OPTIONS" });
    expect(preflight.headers.get("access-control-allow-headers")?.toLowerCase()).not.toContain("authorization");
    stream.advance(31 * 60_000);
    expect((await patch(5 * 1024 * 1024)).status).toBe(410);
  });

  it("can be a form, by a link for basic uploads", async () => {
    const body = JSON.stringify({ maxDurationSeconds: 60, creator: "u1", meta: { name: "small" } });
    const link = await fetch(`${account()}/direct_upload`, { method: "POST", headers: authorized(), body });
    const { result } = (await link.json()) as { result: { uid: string; uploadURL: string } };
    const form = new FormData();
    form.set("file", new Blob([Uint8Array.from(video)]), "small.mp4");
    expect((await fetch(result.uploadURL, { method: "POST", body: form })).status).toBe(200);
    expect(await stream.settled(result.uid)).toMatchObject({
      status: { state: "ready" },
      creator: "u1",
      meta: { name: "small" },
    });
  });

  it("tells a webhook when it is ready, signed", async () => {
    const received: { signature: string; body: string }[] = [];
    const receiver = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        received.push({ signature: String(request.headers["webhook-signature"]), body });
        response.end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    const notificationUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
    const registered = await fetch(`${account()}/webhook`, {
      method: "PUT",
      headers: authorized(),
      body: JSON.stringify({ notificationUrl }),
    });
    const { secret } = ((await registered.json()) as { result: { secret: string } }).result;
    stream.addFault({ on: "webhook", kind: "repeat" });
    const uid = await createAndSend();
    await expect.poll(() => received.length).toBe(2);
    receiver.close();
    const [time, signature] = /^time=(\d+),sig1=(\w+)$/.exec(received[0]?.signature ?? "")?.slice(1) ?? [];
    expect(signature).toBe(createHmac("sha256", secret).update(`${time}.${received[0]?.body}`).digest("hex"));
    expect(JSON.parse(received[0]?.body ?? "{}")).toMatchObject({ uid, status: { state: "ready" } });
  });
});

describe("the account", () => {
  it("lists, shows, edits and deletes videos, by Cloudflare's own SDK", async () => {
    const client = new Cloudflare({ apiToken: stream.token, baseURL: stream.apiBase, maxRetries: 0 });
    const account_id = stream.accountId;
    await withMetadata({ name: "one" });
    await create({ "Upload-Creator": "u2" });
    const listed = [];
    for await (const one of client.stream.list({ account_id, creator: "u2" })) listed.push(one.uid);
    expect(listed).toHaveLength(1);
    const uid = listed[0] ?? "";
    expect(await client.stream.get(uid, { account_id })).toMatchObject({ uid, status: { state: "pendingupload" } });
    await client.stream.edit(uid, { account_id, creator: "u3" });
    expect(await client.stream.get(uid, { account_id })).toMatchObject({ creator: "u3" });
    await client.stream.delete(uid, { account_id });
    await expect(client.stream.get(uid, { account_id })).rejects.toMatchObject({ status: 404 });
  });

  it("reserves storage for what may come, and releases it when that is known", async () => {
    const stored = async () => {
      const answer = await fetch(`${account()}/storage-usage`, { headers: authorized() });
      return ((await answer.json()) as { result: { totalStorageMinutes: number } }).result.totalStorageMinutes * 60;
    };
    await create();
    expect(await stored()).toBe(14_400);
    const uid = await createAndSend({ maxdurationseconds: "600" });
    await stream.settled(uid);
    expect(await stored()).toBe(14_400 + SECONDS);
    const refused = await withMetadata({ maxdurationseconds: "36000" });
    expect([refused.status, ((await refused.json()) as { errors: { code: number }[] }).errors[0]?.code]).toEqual([
      413, 10011,
    ]);
    stream.advance(31 * 60_000);
    expect(await stored()).toBe(SECONDS);
  });

  it("blocks every call for five minutes once too many were made in five", async () => {
    const get = () => fetch(account(), { headers: authorized() });
    for (let call = 0; call < LIMIT; call++) expect((await get()).status).toBe(200);
    const blocked = await get();
    expect(blocked.status).toBe(429);
    expect(blocked.headers.get("retry-after")).toBe("300");
    stream.advance(299_000);
    expect((await get()).status).toBe(429);
    stream.advance(1_001);
    expect((await get()).status).toBe(200);
  });
});

describe("the server", () => {
  it("has everything again after a restart", async () => {
    const dataDir = join(folder, "data");
    const first = await startLocalStream({ dataDir });
    const headers = {
      Authorization: `Bearer ${first.token}`,
      "Tus-Resumable": "1.0.0",
      "Upload-Length": String(video.byteLength),
    };
    const url = `${first.apiBase}/accounts/${first.accountId}/stream?direct_user=true`;
    const location = (await fetch(url, { method: "POST", headers })).headers.get("location") ?? "";
    const port = Number(new URL(first.url).port);
    await first.close();
    const second = await startLocalStream({ dataDir, port });
    await send(location);
    const uid = second.videos()[0]?.uid ?? "";
    expect(await second.settled(uid)).toMatchObject({ status: { state: "ready" } });
    await second.close();
  });

  it("says so when its port is taken", async () => {
    await expect(startLocalStream({ port: Number(new URL(stream.url).port) })).rejects.toThrow(/^Port \d+ is taken/);
  });
});
