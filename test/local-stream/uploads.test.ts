import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createStreamClient, encodeMetadata, head, patch, sendFile } from "../../src/local-stream/client.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { makeVideo } from "../../src/local-stream/make-video.ts";
import { tmpFolder, videoFile } from "../support/files.ts";

/** Uploads to the local Stream by real clients. */

const MIB = 1024 * 1024;
const SECONDS = 2;
const MINUTE_MS = 60_000;

const folder = tmpFolder();
const videoPath = videoFile({ seconds: SECONDS, bytes: 100_000 });
const largePath = videoFile({ seconds: SECONDS, bytes: 10 * MIB + 77 });
let stream: LocalStream;
let client: ReturnType<typeof createStreamClient>;
/** Less than one chunk. */
let video: Buffer;
/** More than two chunks. */
let large: Buffer;

beforeAll(async () => {
  stream = await startLocalStream();
  client = createStreamClient(stream);
  video = await readFile(videoPath);
  large = await readFile(largePath);
});
afterAll(() => stream.close());
beforeEach(() => stream.reset());

const errorOf = async (uid: string) => (await stream.settled(uid)).status.errorReasonCode;

describe("an upload", () => {
  it("makes a video ready, with the duration and size of the file", async () => {
    const { uid, location } = await client.createUpload(large.byteLength, { name: "cats" }, "user-1");
    await sendFile(location, large, { chunkSize: 5 * MIB });
    expect(await stream.settled(uid)).toMatchObject({
      uid,
      creator: "user-1",
      meta: { name: "cats" },
      status: { state: "ready", pctComplete: "100.000000", errorReasonCode: "", errorReasonText: "" },
      readyToStream: true,
      duration: SECONDS,
      size: large.byteLength,
      input: { width: 16, height: 16 },
      uploaded: expect.stringMatching(/Z$/) as string,
      readyToStreamAt: expect.stringMatching(/Z$/) as string,
    });
    expect(stream.requests().map(({ method, bodyBytes }) => [method, bodyBytes])).toEqual([
      ["POST", 0],
      ["HEAD", 0],
      ["PATCH", 5 * MIB],
      ["PATCH", 5 * MIB],
      ["PATCH", 77],
    ]);
  });

  it("goes through the documented states", async () => {
    const slow = await startLocalStream({ processingMs: 150 });
    const { createUpload } = createStreamClient(slow);
    const { location } = await createUpload(video.byteLength);
    // The first state is read before anything is sent, since the upload may finish between two polls.
    const seen = new Set([slow.videos()[0]?.status.state]);
    const look = setInterval(() => seen.add(slow.videos()[0]?.status.state), 5);
    await sendFile(location, video);
    await slow.settled(slow.videos()[0]?.uid ?? "");
    clearInterval(look);
    seen.add(slow.videos()[0]?.status.state);
    await slow.close();
    expect([...seen]).toEqual(["pendingupload", "queued", "inprogress", "ready"]);
  });

  it.each<[string, () => Buffer, string]>([
    ["text", () => Buffer.from("hello ".repeat(1_000)), "ERR_NON_VIDEO"],
    ["a few bytes", () => Buffer.from("hi"), "ERR_NON_VIDEO"],
    ["nothing", () => Buffer.alloc(0), "ERR_NON_VIDEO"],
    [
      "a video whose index was lost",
      () => Buffer.concat([video.subarray(0, 40), Buffer.alloc(1_000)]),
      "ERR_MALFORMED_VIDEO",
    ],
  ])("fails for %s", async (_, file, code) => {
    const { uid, location } = await client.createUpload(file().byteLength);
    if (file().byteLength > 0) await sendFile(location, file());
    expect(await errorOf(uid)).toBe(code);
  });

  it("fails if the video is longer than allowed, and succeeds at the limit", async () => {
    expect(await errorOf(await client.upload(video, { maxdurationseconds: "1" }))).toBe(
      "ERR_DURATION_EXCEED_CONSTRAINT",
    );
    expect(await errorOf(await client.upload(video, { maxdurationseconds: "2" }))).toBe("");
  });

  it("fails if the video is too short", async () => {
    const path = join(folder, "short.mp4");
    await makeVideo({ path, seconds: 0.05 });
    expect(await errorOf(await client.upload(await readFile(path)))).toBe("ERR_DURATION_TOO_SHORT");
  });

  it("keeps the metadata of its creation when a PATCH sends other metadata", async () => {
    const { uid, location } = await client.createUpload(video.byteLength, { name: "first" });
    const later = { "Upload-Metadata": encodeMetadata({ name: "later", requiresignedurls: null }) ?? "" };
    expect((await patch(location, 0, video, later)).status).toBe(204);
    expect(await stream.settled(uid)).toMatchObject({ meta: { name: "first" }, requireSignedURLs: false });
  });
});

describe("the upload host", () => {
  it.each<[string, number, number]>([
    ["shorter than 5 MiB", 5 * MIB - 262_144, 400],
    ["no multiple of 256 KiB", 5 * MIB + 1, 400],
    ["5 MiB", 5 * MIB, 204],
    ["a multiple of 256 KiB above", 5 * MIB + 262_144, 204],
  ])("answers a chunk that is %s as documented", async (_, bytes, status) => {
    const { location } = await client.createUpload(20 * MIB);
    expect((await patch(location, 0, new Uint8Array(bytes))).status).toBe(status);
    expect((await head(location)).offset).toBe(status === 204 ? bytes : 0);
  });

  it("accepts a last chunk of any length, and nothing beyond the end", async () => {
    const { uid, location } = await client.createUpload(5 * MIB + 1);
    expect((await patch(location, 0, new Uint8Array(5 * MIB))).status).toBe(204);
    expect((await patch(location, 5 * MIB, new Uint8Array(2))).status).toBeGreaterThanOrEqual(400);
    expect((await patch(location, 5 * MIB, new Uint8Array(1))).status).toBe(204);
    expect(await errorOf(uid)).toBe("ERR_NON_VIDEO");
  });

  it("refuses a chunk without a Content-Length", async () => {
    const { location } = await client.createUpload(20 * MIB);
    const refused = await patch(location, 0, new Blob([new Uint8Array(6 * MIB)]).stream());
    expect([refused.status, (await head(location)).offset]).toEqual([411, 0]);
  });

  it("applies the tus rules for version, offset and content type", async () => {
    const { location } = await client.createUpload(10);
    const body = new Uint8Array(10);
    expect((await patch(location, 3, body)).status).toBe(409);
    expect((await patch(location, 0, body, { "Tus-Resumable": "" })).status).toBe(412);
    expect((await patch(location, 0, body, { "Content-Type": "text/plain" })).status).toBe(400);
    expect(await head(location)).toEqual({ status: 200, offset: 0 });
  });

  it("supports HEAD and PATCH, but no creation and no termination", async () => {
    const { location } = await client.createUpload(10);
    const headers = { "Tus-Resumable": "1.0.0", "Upload-Length": "1" };
    for (const method of ["POST", "DELETE", "GET", "PUT"])
      expect((await fetch(location, { method, headers })).status).toBe(405);
    expect((await fetch(`${stream.url}/tus/unknown`, { method: "HEAD", headers })).status).toBe(404);
    expect((await fetch(`${stream.url}/tus/..%2fvideos`, { method: "HEAD", headers })).status).toBe(404);
    expect((await fetch(`${stream.url}/elsewhere`)).status).toBe(404);
  });

  it("allows browsers without a credential, and lets them read errors", async () => {
    const { location } = await client.createUpload(10);
    const preflight = await fetch(location, { method: "OPTIONS" });
    expect(preflight.headers.get("access-control-allow-methods")).toContain("PATCH");
    expect(preflight.headers.get("access-control-allow-headers")).toMatch(/upload-offset/i);
    expect(preflight.headers.get("access-control-allow-headers")).not.toMatch(/authorization/i);
    const refused = await patch(location, 0, new Uint8Array(5));
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([400, "*"]);

    const lenient = await startLocalStream({ uploadHostAllowsAuthorization: true });
    const allowed = await fetch(`${lenient.url}/tus/1`, { method: "OPTIONS" });
    expect(allowed.headers.get("access-control-allow-headers")).toMatch(/authorization/i);
    await lenient.close();
  });

  it("refuses an upload whose URL has expired, in progress or not, unless `startedMayFinish` is set", async () => {
    const { location } = await client.createUpload(20 * MIB);
    await patch(location, 0, new Uint8Array(5 * MIB));
    stream.advance(31 * MINUTE_MS);
    expect((await patch(location, 5 * MIB, new Uint8Array(5 * MIB))).status).toBe(410);
    expect((await head(location)).status).toBe(410);

    const lenient = await startLocalStream({ startedMayFinish: true });
    const { createUpload } = createStreamClient(lenient);
    const [begun, fresh] = [await createUpload(5 * MIB + 1), await createUpload(1)];
    await patch(begun.location, 0, new Uint8Array(5 * MIB));
    lenient.expire(begun.uid);
    lenient.expire(fresh.uid);
    expect((await patch(begun.location, 5 * MIB, new Uint8Array(1))).status).toBe(204);
    expect((await patch(fresh.location, 0, new Uint8Array(1))).status).toBe(410);
    await lenient.close();
  });

  it("accepts the form of a basic upload once, and only with a file", async () => {
    const body = { maxDurationSeconds: 60, creator: "u1", meta: { name: "small" } };
    const { result } = await client.api<{ uid: string; uploadURL: string }>("POST", "/direct_upload", body);
    const post = (name: string) => {
      const form = new FormData();
      form.set(name, new Blob([Uint8Array.from(video)]), "small.mp4");
      return fetch(result.uploadURL, { method: "POST", body: form });
    };
    expect((await post("video")).status).toBe(400);
    expect((await fetch(result.uploadURL, { method: "POST", body: "no form" })).status).toBe(400);
    expect((await fetch(result.uploadURL, { method: "PATCH" })).status).toBe(405);
    expect((await post("file")).status).toBe(200);
    expect((await post("file")).status).toBe(400);
    expect(await stream.settled(result.uid)).toMatchObject({ ...body, status: { state: "ready" }, size: 100_000 });

    const expired = await client.api<{ uid: string; uploadURL: string }>("POST", "/direct_upload", body);
    stream.expire(expired.result.uid);
    expect((await fetch(expired.result.uploadURL, { method: "POST" })).status).toBe(410);
  });

  it("streams a file of 400 MB to disk", async () => {
    const { uid, location } = await client.createUpload(400 * MIB);
    const chunk = new Uint8Array(40 * MIB);
    let highest = 0;
    for (let offset = 0; offset < 400 * MIB; offset += chunk.byteLength) {
      expect((await patch(location, offset, chunk)).status).toBe(204);
      highest = Math.max(highest, process.memoryUsage().arrayBuffers);
    }
    expect(await stream.settled(uid)).toMatchObject({ size: 400 * MIB });
    // This process is also the client, which copies each chunk.
    expect(highest).toBeLessThan(300 * MIB);
  });
});

describe("startLocalStream", () => {
  it("restores videos, a partial upload and the webhook after a restart", async () => {
    const dataDir = join(folder, "data");
    const first = await startLocalStream({ dataDir, processingMs: 10_000 });
    const before = createStreamClient(first);
    const { uid, location } = await before.createUpload(large.byteLength, { name: "half" });
    await patch(location, 0, large.subarray(0, 5 * MIB));
    const unprocessed = await before.upload(video, { name: "queued" });
    const { result: webhook } = await before.api("PUT", "/webhook", { notificationUrl: "http://127.0.0.1:9/" });
    const videos = first.videos();
    await first.close();

    const second = await startLocalStream({ dataDir, port: Number(new URL(first.url).port) });
    expect(second.videos()).toEqual(videos);
    // Wait until the connections to the first server are closed.
    const { url } = second;
    await expect
      .poll(() =>
        fetch(url).then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(404);
    expect((await createStreamClient(second).api("GET", "/webhook")).result).toEqual(webhook);
    expect(await second.settled(unprocessed)).toMatchObject({ status: { state: "ready" } });
    expect((await head(location)).offset).toBe(5 * MIB);
    await sendFile(location, large);
    expect(await second.settled(uid)).toMatchObject({ status: { state: "ready" }, meta: { name: "half" } });
    await second.close();
  });

  it("rejects if its port is in use", async () => {
    await expect(startLocalStream({ port: Number(new URL(stream.url).port) })).rejects.toThrow(/^Port \d+ is in use/);
  });

  it("rejects if the data folder is unusable, and releases the port", async () => {
    const path = videoPath;
    const free = await startLocalStream();
    const port = Number(new URL(free.url).port);
    await free.close();
    for (let attempt = 0; attempt < 2; attempt++)
      await expect(startLocalStream({ dataDir: path, port })).rejects.toThrow(/ENOTDIR|EEXIST/);
  });

  it("records requests byte by byte, and clears them", async () => {
    await client.create({ "X-Odd-Case": " a  b " });
    const [request] = stream.creations();
    expect(request).toMatchObject({
      method: "POST",
      bodyBytes: 0,
      url: expect.stringMatching(/\?direct_user=true$/) as string,
    });
    const raw = request?.rawHeaders ?? [];
    expect(raw[raw.findIndex((name) => name.toLowerCase() === "x-odd-case") + 1]).toBe("a  b");
    stream.clearRequests();
    expect(stream.requests()).toEqual([]);
  });
});
