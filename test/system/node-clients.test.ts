import { readFile } from "node:fs/promises";
import Cloudflare from "cloudflare";
import * as tus from "tus-js-client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Fault } from "../../src/local-stream/faults.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";
import { videoFile } from "../support/files.ts";

const MIB = 1024 * 1024;
const SECONDS = 3;
const CHUNK_BYTES = 5 * MIB;
/** Three chunks, the last one short. */
const BYTES = 11 * MIB + 123;

const file = videoFile({ seconds: SECONDS, bytes: BYTES });
let harness: TestGateway;
let key: string;
let video: Buffer;

beforeAll(async () => {
  harness = await startTestGateway();
  key = await harness.tenant("acme", { policy: { metadata: { requiresignedurls: { force: true } } } });
  video = await readFile(file);
});
afterAll(() => harness.stop());
beforeEach(() => harness.stream.reset());

/** Uploads as applications do. The grant is in the metadata, so no header needs care. */
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
  it("uploads a video in chunks directly to Stream, which makes it ready", async () => {
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

  it("resumes after a broken connection", async () => {
    harness.stream.addFault({ on: "patch", kind: "reset-after", bytes: 2 * MIB });
    await upload();
    expect(await onlyVideo()).toMatchObject({ status: { state: "ready" }, size: BYTES });
    expect(methods()).toContain("HEAD");
  });

  it.each<[string, Fault]>([
    ["resets the connection", { on: "create", kind: "reset-after" }],
    ["answers with an HTML page", { on: "create", kind: "status", status: 502, body: "<html>Bad Gateway</html>" }],
  ])("uploads under the same grant although Stream %s after the creation", async (_, fault) => {
    harness.stream.addFault(fault);
    const started = performance.now();
    await upload();
    expect(performance.now() - started).toBeLessThan(10_000);
    const uploaded = harness.stream.videos().filter(({ status }) => status.state !== "pendingupload");
    expect(uploaded).toHaveLength(1);
    expect(await harness.stream.settled(uploaded[0]?.uid ?? "")).toMatchObject({ status: { state: "ready" } });
  });

  it("creates another upload when the upload URL has expired", async () => {
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

  it("retries when Stream or the upload host fails", async () => {
    // Stream's own error document: it has certainly created no video.
    const body = JSON.stringify({ success: false, errors: [{ code: 10500, message: "internal error" }] });
    harness.stream.addFault({ on: "create", kind: "status", status: 500, body });
    harness.stream.addFault({ on: "patch", kind: "status", status: 503 });
    await upload();
    expect(await onlyVideo()).toMatchObject({ status: { state: "ready" } });
    expect(harness.stream.creations()).toHaveLength(2);
  });

  it("sends its bytes after the creation, even with uploadDataDuringCreation", async () => {
    await upload({ uploadDataDuringCreation: true });
    expect(await onlyVideo()).toMatchObject({ status: { state: "ready" }, size: BYTES });
  });

  it("stops at a refusal and has its problem document", async () => {
    const error = await upload({ metadata: { name: "no grant" } }).catch((reason: tus.DetailedError) => reason);
    const body = (error as tus.DetailedError).originalResponse?.getBody() ?? "{}";
    expect(JSON.parse(body)).toMatchObject({ code: "credential_missing", status: 401 });
    await expect(upload({ parallelUploads: 2 })).rejects.toThrow(/Upload-Concat/);
    expect(harness.stream.requests()).toEqual([]);
  });

  it("sends the API key to the gateway only, with onBeforeRequest", async () => {
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

describe("the Cloudflare SDK", () => {
  const client = (apiToken: string) => new Cloudflare({ apiToken, baseURL: `${harness.url}/client/v4`, maxRetries: 0 });

  it("creates an upload with another base URL and a tenant's key", async () => {
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

  it("reads Cloudflare's errors from a refusal", async () => {
    const creation = client("junk").stream.create({ account_id: "acme", "Tus-Resumable": "1.0.0", "Upload-Length": 1 });
    await expect(creation).rejects.toMatchObject({
      status: 401,
      errors: [{ code: 10000, message: "The credential is not valid." }],
    });
  });
});
