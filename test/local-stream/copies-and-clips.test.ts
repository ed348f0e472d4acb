import { readFileSync, readdirSync } from "node:fs";
import { type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createStreamClient } from "../../src/local-stream/client.ts";
import type { VideoDescription } from "../../src/local-stream/description.ts";
import type { LocalStream } from "../../src/local-stream/local-stream.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { tmpFolder, videoFile } from "../support/files.ts";

const SECONDS = 4;
const WATERMARK = "ea95132c15732412d22c1476fa83f27a";
const file = videoFile({ seconds: SECONDS });

let origin: Server;
/** Called by `GET /slow.mp4`, after the headers. */
let onSlow: (response: ServerResponse) => void = () => undefined;
let stream: LocalStream;
let client: ReturnType<typeof createStreamClient>;

beforeAll(async () => {
  const video = readFileSync(file);
  origin = createServer(({ method, url }, response) => {
    const found = url !== "/missing.mp4" && (url !== "/no-head.mp4" || method !== "HEAD");
    response.writeHead(found ? 200 : 404, {
      "Content-Length": url === "/huge.mp4" ? 30_000_000_001 : video.byteLength,
    });
    if (method === "HEAD" || !found) response.end();
    else if (url === "/slow.mp4") response.write(video.subarray(0, 100), () => onSlow(response));
    else if (url === "/broken.mp4") response.write(video.subarray(0, 100), () => response.destroy());
    else response.end(video);
  });
  await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
  stream = await startLocalStream();
  client = createStreamClient(stream);
});
afterAll(async () => {
  await stream.close();
  origin.closeAllConnections();
  origin.close();
});
beforeEach(() => stream.reset());

const link = (path = "/cats.mp4") => `http://127.0.0.1:${(origin.address() as AddressInfo).port}${path}`;
const copy = (body: object) => client.api<VideoDescription>("POST", "/copy", body);
const clip = (body: object) => client.api<VideoDescription>("POST", "/clip", body);

async function readyVideo(metadata: Record<string, string> = {}): Promise<string> {
  const uid = await client.upload(readFileSync(file), metadata, "user-1");
  await stream.settled(uid);
  return uid;
}

describe("a copy", () => {
  it("is a video with the file of a link", async () => {
    const made = await copy({ input: link(), meta: { project: "p1" }, name: "Cats", requireSignedURLs: true });
    expect([made.status, made.result]).toMatchObject([
      200,
      {
        status: { state: "downloading" },
        meta: { name: "Cats", project: "p1", "downloaded-from": link() },
        requireSignedURLs: true,
        uploadExpiry: null,
      },
    ]);
    const ready = await stream.settled(made.result.uid);
    expect(ready).toMatchObject({ readyToStream: true, duration: SECONDS, size: readFileSync(file).byteLength });
  });

  it("has the older name of the link, and the creator of the header", async () => {
    const answer = await fetch(`${client.base}/copy`, {
      method: "POST",
      headers: { ...client.authorization, "Content-Type": "application/json", "Upload-Creator": "user-1" },
      body: JSON.stringify({ url: link() }),
    });
    expect(await answer.json()).toMatchObject({ result: { creator: "user-1", status: { state: "downloading" } } });
  });

  it.each([
    [{}],
    [{ input: "ftp://a.example/cats.mp4" }],
    [{ input: "cats.mp4" }],
    [{ input: ["https://a.example/cats.mp4"] }],
    [{ input: "https://a.example/cats.mp4", url: "https://a.example/cats.mp4" }],
    [{ input: "https://a.example/cats.mp4", maxDurationSeconds: 60 }],
    [{ input: "https://a.example/cats.mp4", watermark: { uid: "none" } }],
  ])("is refused with the body %j", async (body) => {
    expect(await copy(body)).toMatchObject({ status: 400, errors: [{ code: 10_005 }] });
    expect(stream.videos()).toEqual([]);
  });

  it.each(["/missing.mp4", "/no-head.mp4", "/broken.mp4", "/huge.mp4"])(
    "fails if %s cannot be fetched, and the webhook is told",
    async (path) => {
      await client.api("PUT", "/webhook", { notificationUrl: link("/webhook") });
      const { uid } = (await copy({ input: link(path) })).result;
      const status = { state: "error", errorReasonCode: "ERR_FETCH_ORIGIN_ERROR" };
      expect(await stream.settled(uid)).toMatchObject({ status, size: 0, uploaded: null });
      await expect.poll(() => stream.deliveries().map((delivery) => delivery.uid)).toEqual([uid]);
    },
  );

  it("is not fetched further once it is deleted", async () => {
    const dataDir = tmpFolder();
    const other = await startLocalStream({ dataDir });
    const { api } = createStreamClient(other);
    const slow = new Promise<ServerResponse>((resolve) => (onSlow = resolve));
    const { uid } = (await api<VideoDescription>("POST", "/copy", { input: link("/slow.mp4") })).result;
    const response = await slow;
    const closed = new Promise((resolve) => response.once("close", resolve));
    expect((await api("DELETE", `/${uid}`)).status).toBe(200);
    await closed;
    await other.close();
    expect(readdirSync(join(dataDir, "uploads"))).toEqual([]);
  });

  it("is fetched again after a restart", async () => {
    const dataDir = tmpFolder();
    const first = await startLocalStream({ dataDir });
    const slow = new Promise<ServerResponse>((resolve) => (onSlow = resolve));
    const { api } = createStreamClient(first);
    const { uid } = (await api<VideoDescription>("POST", "/copy", { input: link("/slow.mp4") })).result;
    await slow;
    await first.close();
    onSlow = (response) => response.end(readFileSync(file).subarray(100));
    const second = await startLocalStream({ dataDir });
    expect(await second.settled(uid)).toMatchObject({ readyToStream: true, duration: SECONDS });
    await second.close();
  });

  it("needs room in the queue, and in the account's storage", async () => {
    const small = await startLocalStream({ storageSeconds: 14_400 });
    const { api } = createStreamClient(small);
    expect((await api("POST", "/copy", { input: link() })).status).toBe(200);
    expect(await api("POST", "/copy", { input: link() })).toMatchObject({ status: 413, errors: [{ code: 10_011 }] });
    await small.close();
    const busy = await startLocalStream({ maxQueued: 0 });
    expect((await createStreamClient(busy).api("POST", "/copy", { input: link() })).status).toBe(429);
    await busy.close();
  });
});

describe("a clip", () => {
  it("is a video of its own, as long as its part", async () => {
    const parent = await readyVideo({ name: "Cats", requiresignedurls: "" });
    await client.api("PUT", "/webhook", { notificationUrl: link("/webhook") });
    const made = await clip({
      clippedFromVideoUID: parent,
      startTimeSeconds: 1,
      endTimeSeconds: 3,
      creator: "user-2",
      name: "Part",
      watermark: { uid: WATERMARK },
      allowedOrigins: ["a.example"],
    });
    expect([made.status, made.result]).toMatchObject([
      200,
      {
        clippedFrom: parent,
        status: { state: "queued" },
        creator: "user-2",
        meta: { name: "Part" },
        watermark: { uid: WATERMARK },
        allowedOrigins: ["a.example"],
        requireSignedURLs: false,
      },
    ]);
    const { uid } = made.result;
    expect(await stream.settled(uid)).toMatchObject({ duration: 2, input: { width: 16, height: 16 } });
    await expect.poll(() => stream.deliveries().map((delivery) => delivery.uid)).toEqual([uid]);
    await client.api("DELETE", `/${parent}`);
    expect((await client.api("GET", `/${uid}`)).result).toMatchObject({ readyToStream: true });
  });

  it("has the options of its parent, if that is set", async () => {
    const keeping = await startLocalStream({ clipsKeepOptions: true });
    const { api, upload } = createStreamClient(keeping);
    const parent = await upload(readFileSync(file), { name: "Cats", requiresignedurls: "" }, "user-1");
    await keeping.settled(parent);
    const times = { startTimeSeconds: 0, endTimeSeconds: SECONDS };
    const made = await api("POST", "/clip", { clippedFromVideoUID: parent, ...times, creator: "user-2", name: "Part" });
    expect(made.result).toMatchObject({ creator: "user-1", meta: { name: "Cats" }, requireSignedURLs: true });
    await keeping.close();
  });

  it.each([
    [0, SECONDS + 1],
    [2, 2],
    [3, 2],
    [-1, 2],
    [0.5, 2],
    ["0", 2],
    [0, undefined],
  ])("is not from %s to %s", async (startTimeSeconds, endTimeSeconds) => {
    const parent = await readyVideo();
    const body = { clippedFromVideoUID: parent, startTimeSeconds, endTimeSeconds };
    expect(await clip(body)).toMatchObject({ status: 400, errors: [{ code: 10_005 }] });
  });

  it("is made of a video that is ready, by documented fields", async () => {
    const times = { startTimeSeconds: 0, endTimeSeconds: 2 };
    const pending = await client.createUpload(5);
    expect((await clip({ clippedFromVideoUID: pending.uid, ...times })).status).toBe(400);
    expect((await clip({ clippedFromVideoUID: "0".repeat(32), ...times })).status).toBe(404);
    expect((await clip(times)).status).toBe(400);
    const parent = await readyVideo();
    expect((await clip({ clippedFromVideoUID: parent, ...times, maxDurationSeconds: 5 })).status).toBe(400);
  });
});
