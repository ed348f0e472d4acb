import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Cloudflare from "cloudflare";
import * as tus from "tus-js-client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";
import { makeVideo } from "../../src/local-stream/make-video.ts";

const MIB = 1024 * 1024;
const SECONDS = 3;
const CHUNK_BYTES = 5 * MIB;
/** Three chunks, the last one short. */
const BYTES = 11 * MIB + 123;

let harness: TestGateway;
let key: string;
let folder: string;
let video: Buffer;

beforeAll(async () => {
  harness = await startTestGateway();
  key = await harness.tenant("acme", { policy: { metadata: { requiresignedurls: { force: true } } } });
  folder = await mkdtemp(join(tmpdir(), "sluice-video-"));
  await makeVideo({ path: join(folder, "video.mp4"), seconds: SECONDS, bytes: BYTES });
  video = await readFile(join(folder, "video.mp4"));
});
afterAll(async () => {
  await harness.stop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => harness.stream.reset());

/** An upload as applications make it; its grant travels in the metadata, so no header has to be watched. */
async function upload(options: Partial<tus.UploadOptions> = {}): Promise<tus.Upload> {
  const answer = await fetch(`${harness.url}/v1/acme/grants`, {
    method: "POST",
    headers: { ...bearer(key), "Content-Type": "application/json" },
    body: JSON.stringify({ subject: "user-1" }),
  });
  const { grant } = (await answer.json()) as { grant: string };
  return new Promise((resolve, reject) => {
    const running: tus.Upload = new tus.Upload(video, {
      endpoint: `${harness.url}/v1/acme/uploads`,
      chunkSize: CHUNK_BYTES,
      retryDelays: [0, 50, 100],
      metadata: { grant, name: "cats" },
      onSuccess: () => resolve(running),
      onError: reject,
      ...options,
    });
    running.start();
  });
}

async function onlyVideo() {
  const [made, ...others] = harness.stream.videos();
  expect(others).toEqual([]);
  return harness.stream.settled(made?.uid ?? "");
}

const methods = () => harness.stream.requests().map(({ method }) => method);

describe("tus-js-client", () => {
  it("uploads a video in chunks, straight to Stream, which makes it ready", async () => {
    await upload();
    expect(await onlyVideo()).toMatchObject({
      status: { state: "ready" },
      duration: SECONDS,
      size: BYTES,
      creator: "user-1",
      requireSignedURLs: true,
      meta: { name: "cats" },
    });
    expect(methods()).toEqual(["POST", "PATCH", "PATCH", "PATCH"]);
    expect(JSON.stringify(harness.stream.requests().filter(({ method }) => method === "PATCH"))).not.toMatch(
      /authorization/i,
    );
  });

  it("resumes where a broken connection left it", async () => {
    harness.stream.addFault({ on: "patch", kind: "reset-after", bytes: 2 * MIB });
    await upload();
    expect(await onlyVideo()).toMatchObject({ status: { state: "ready" }, size: BYTES });
    expect(methods()).toContain("HEAD");
  });

  it("begins anew when the upload URL has expired", async () => {
    harness.stream.addFault({ on: "patch", kind: "reset-after", bytes: 2 * MIB });
    await expect(upload({ retryDelays: [] })).rejects.toThrow(/^tus: failed/);
    const [expired] = harness.stream.videos();
    const path = harness.stream.requests().find(({ method }) => method === "PATCH")?.url;
    harness.stream.expire(expired?.uid ?? "");

    await upload({ uploadUrl: `${harness.stream.url}${path}` });
    const [begun, ...others] = harness.stream.videos();
    expect(others).toMatchObject([{ uid: expired?.uid, status: { state: "pendingupload" } }]);
    expect(await harness.stream.settled(begun?.uid ?? "")).toMatchObject({ status: { state: "ready" } });
  });

  it("tries again when Stream fails, and when the upload host does", async () => {
    // Stated by Stream itself, so that there is no doubt: there is no video.
    const body = JSON.stringify({ success: false, errors: [{ code: 10500, message: "internal error" }] });
    harness.stream.addFault({ on: "create", kind: "status", status: 500, body });
    harness.stream.addFault({ on: "patch", kind: "status", status: 503 });
    await upload();
    expect(await onlyVideo()).toMatchObject({ status: { state: "ready" } });
    expect(harness.stream.creations()).toHaveLength(2);
  });

  it("sends its bytes after the creation, even if it was told to send them along", async () => {
    await upload({ uploadDataDuringCreation: true });
    expect(await onlyVideo()).toMatchObject({ status: { state: "ready" }, size: BYTES });
  });

  it("gives up at once where it is refused, and can show why", async () => {
    const error = await upload({ metadata: { name: "no grant" } }).catch((reason: tus.DetailedError) => reason);
    const body = (error as tus.DetailedError).originalResponse?.getBody() ?? "{}";
    expect(JSON.parse(body)).toMatchObject({ code: "credential_missing", status: 401 });
    await expect(upload({ parallelUploads: 2 })).rejects.toThrow(/Upload-Concat/);
    expect(harness.stream.requests()).toEqual([]);
  });

  it("leaves the API key at the gateway when it is told to", async () => {
    const endpoint = `${harness.url}/v1/acme/uploads`;
    await upload({
      metadata: { name: "cats" },
      onBeforeRequest(request) {
        if (request.getURL() === endpoint) request.setHeader("Authorization", `Bearer ${key}`);
      },
    });
    expect(JSON.stringify(harness.stream.requests())).not.toContain(key);
  });
});

describe("Cloudflare's SDK", () => {
  const client = (apiToken: string) => new Cloudflare({ apiToken, baseURL: `${harness.url}/client/v4`, maxRetries: 0 });

  it("creates an upload with nothing but another base URL and a tenant's key", async () => {
    const answer = await client(key)
      .stream.create({
        account_id: "acme",
        "Tus-Resumable": "1.0.0",
        "Upload-Length": BYTES,
        "Upload-Metadata": metadataHeader({ name: "from the SDK" }),
        "Upload-Creator": "user-5",
      })
      .asResponse();
    expect(answer.headers.get("location")).toContain("/tus/");
    expect(harness.stream.videos()).toMatchObject([{ creator: "user-5", meta: { name: "from the SDK" } }]);
  });

  it("finds Cloudflare's errors in a refusal", async () => {
    const creation = client("junk").stream.create({ account_id: "acme", "Tus-Resumable": "1.0.0", "Upload-Length": 1 });
    await expect(creation).rejects.toMatchObject({
      status: 401,
      errors: [{ code: 10000, message: "The credential is not valid." }],
    });
  });
});
