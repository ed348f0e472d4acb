import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Fault } from "../../src/local-stream/faults.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { signTag } from "../support/sign-tag.ts";
import { metadataHeader } from "../support/metadata.ts";
import { videoFile } from "../support/files.ts";

/** Basic upload links: the policy, limits, idempotency and ledger of a tus creation, with one call to Stream. */

const SECONDS = 3;
const PENDING = 40;

const videoPath = videoFile({ seconds: SECONDS });
let harness: TestGateway;
let key: string;
let video: Buffer;

beforeAll(async () => {
  harness = await startTestGateway({ STREAM_DEADLINE_MS: "500" });
  key = await harness.tenant("acme", {
    limits: { pending: PENDING },
    policy: {
      upload: { minBytes: 10 },
      metadata: {
        requiresignedurls: { force: true },
        maxdurationseconds: { default: 600, max: 3_600, onViolation: "clamp" },
        allowedorigins: { default: ["app.acme.com"], within: ["*.acme.com"] },
      },
      custom: { "*": { allow: ["project"] } },
    },
  });
  video = await readFile(videoPath);
});
afterAll(() => harness.stop());

const ask = (body: unknown, headers: Record<string, string> = bearer(key), tenant = "acme") =>
  fetch(`${harness.url}/v1/${tenant}/direct-uploads`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

interface Link {
  readonly id: string;
  readonly uid: string;
  readonly uploadURL: string;
  readonly expiresAt: string;
}
const linkOf = async (answer: Promise<Response>) => (await answer).json() as Promise<Link>;
const codeOf = async (answer: Promise<Response>) => (await problemOf(await answer)).code;
const upload = async (id: string) =>
  (await fetch(`${harness.url}/v1/acme/uploads/${id}`, { headers: bearer(key) })).json() as Promise<object>;
const calls = () => harness.stream.requests().map(({ method, url }) => `${method} ${url.split("/stream")[1]}`);

async function mint(body: object): Promise<string> {
  const answer = await fetch(`${harness.url}/v1/acme/grants`, {
    method: "POST",
    headers: { ...bearer(key), "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return ((await answer.json()) as { grant: string }).grant;
}

// Must be the first test: resetting the local Stream removes its webhook.
describe("basic upload link", () => {
  it("accepts a file, which Stream processes, and is then counted with its real size", async () => {
    harness.stream.clearRequests();
    const answer = await ask({ creator: "user-1", meta: { name: "Cats", project: "p1", other: "x" } });
    expect(answer.status).toBe(201);
    const link = (await answer.json()) as Link;
    expect(link).toEqual({
      id: answer.headers.get("sluice-upload-id"),
      uid: answer.headers.get("stream-media-id"),
      uploadURL: expect.stringContaining("/basic/"),
      expiresAt: new Date(answer.headers.get("upload-expires") ?? "").toISOString(),
    });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(calls()).toEqual(["POST /direct_upload"]);
    expect(await upload(link.id)).toMatchObject({
      state: "issued",
      creator: "user-1",
      bytes: 200_000_000,
      seconds: 600,
    });

    const form = new FormData();
    form.set("file", new Blob([Uint8Array.from(video)], { type: "video/mp4" }), "cats.mp4");
    expect((await fetch(link.uploadURL, { method: "POST", body: form })).status).toBe(200);
    expect(await harness.stream.settled(link.uid)).toMatchObject({
      status: { state: "ready" },
      duration: SECONDS,
      size: video.byteLength,
      creator: "user-1",
      requireSignedURLs: true,
      allowedOrigins: ["app.acme.com"],
      maxDurationSeconds: 600,
      meta: { name: "Cats", project: "p1", sluice: signTag(harness.stream, "acme", link.id) },
    });
    expect(harness.stream.videos()[0]?.meta).not.toHaveProperty("other");

    // Reported by Stream's webhook.
    const measured = { state: "ready", bytes: video.byteLength, seconds: SECONDS };
    await expect.poll(() => upload(link.id), { timeout: 10_000 }).toMatchObject(measured);
    const stream = async (path: string, method = "GET") => {
      const answer = await fetch(`${harness.url}/client/v4/accounts/acme/stream${path}`, {
        method,
        headers: bearer(key),
      });
      return { status: answer.status, text: await answer.text() };
    };
    const listed = JSON.parse((await stream("?status=ready")).text) as { result: object[] };
    expect(listed.result).toMatchObject([
      { uid: link.uid, readyToStream: true, meta: { name: "Cats" }, thumbnail: expect.any(String) },
    ]);
    expect(JSON.stringify(listed)).not.toContain("sluice");
    const stored = { totalStorageMinutes: SECONDS / 60, videoCount: 1 };
    expect(JSON.parse((await stream("/storage-usage")).text)).toMatchObject({ result: stored });
    expect(await stream(`/${link.uid}`, "DELETE")).toEqual({ status: 200, text: "" });
    expect(await upload(link.id)).toMatchObject({ state: "deleted" });
    expect(harness.stream.videos()).toEqual([]);
  });
});

describe("POST /v1/:tenant/direct-uploads", () => {
  beforeEach(() => harness.stream.reset());

  it("applies the policy and returns its problems", async () => {
    expect((await ask({ maxDurationSeconds: 36_000 })).status).toBe(201);
    expect(harness.stream.videos()[0]?.maxDurationSeconds).toBe(3_600);
    expect(await (await ask({ allowedOrigins: ["evil.example"] })).json()).toMatchObject({
      status: 403,
      code: "policy_violation",
      key: "allowedorigins",
      success: false,
    });
    expect(harness.stream.requests()).toHaveLength(1);
  });

  it("returns 413 when the policy allows less than the size limit of a link, which cannot be lowered", async () => {
    const small = await harness.tenant("small", { policy: { upload: { maxBytes: 1_000_000 } } });
    const answer = await ask({}, bearer(small), "small");
    expect([answer.status, (await problemOf(answer)).code]).toEqual([413, "upload_too_large"]);
    const grant = await mint({ policy: { upload: { maxBytes: 1_000_000 } } });
    expect(await codeOf(ask({}, bearer(grant)))).toBe("upload_too_large");
    expect(harness.stream.requests()).toEqual([]);
  });

  it("creates the upload for the subject of the grant, whatever the body says", async () => {
    const grant = await mint({ subject: "user-9" });
    const { uid } = await linkOf(ask({ creator: "user-1" }, bearer(grant)));
    expect(harness.stream.videos()).toMatchObject([{ uid, creator: "user-9" }]);
    expect(JSON.stringify(harness.stream.requests())).not.toContain(grant);
  });

  it("returns the same link for the same Idempotency-Key and 422 for another creation", async () => {
    const headers = { ...bearer(key), "Idempotency-Key": "k1" };
    const first = await linkOf(ask({ meta: { name: "a" } }, headers));
    const again = await ask({ meta: { name: "a" } }, headers);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(await again.json()).toEqual(first);
    expect(await codeOf(ask({ meta: { name: "b" } }, headers))).toBe("idempotency_key_reused");
    // A tus client cannot use a link, nor a form a tus URL.
    const tus = { "Upload-Length": "200000000", "Upload-Metadata": metadataHeader({ name: "a" }) };
    expect(await codeOf(create(harness.url, "acme", { ...headers, ...tus }))).toBe("idempotency_key_reused");
    expect(harness.stream.videos()).toHaveLength(1);
  });

  it("shares the one use of a grant with tus creations", async () => {
    const grant = await mint({ subject: "user-9" });
    expect((await create(harness.url, "acme", bearer(grant))).status).toBe(201);
    expect(await codeOf(ask({}, bearer(grant)))).toBe("grant_used");
  });

  it.each<[string, unknown, string]>([
    ["half a body", "{", "body_invalid"],
    ["a list", [], "body_invalid"],
    ["a misspelt option", { maxDurationSecond: 1 }, "body_invalid"],
    ["a list in meta", { meta: { name: [1] } }, "body_invalid"],
    ["an option in meta", { meta: { Expiry: "1" } }, "body_invalid"],
    ["more meta than a header could have", { meta: { a: "x".repeat(20_000) } }, "upload_metadata_too_large"],
    ["an invalid time", { expiry: "tomorrow" }, "metadata_value_invalid"],
    ["a creator that is no header value", { creator: "a\r\nb" }, "creator_invalid"],
    ["a second credential", { meta: { grant: "junk" } }, "credential_ambiguous"],
  ])("refuses %s", async (_, body, code) => {
    expect(await codeOf(ask(body))).toBe(code);
    expect(harness.stream.requests()).toEqual([]);
  });

  it("refuses another content type and a body that is too large", async () => {
    expect(await codeOf(ask({}, { ...bearer(key), "Content-Type": "text/plain" }))).toBe("body_invalid");
    expect(await codeOf(ask({ meta: { a: "x".repeat(70_000) } }))).toBe("body_too_large");
  });

  it("counts against the tenant's limits", async () => {
    const key = await harness.tenant("limited", { limits: { pending: 1 } });
    expect((await ask({}, bearer(key), "limited")).status).toBe(201);
    expect(await (await ask({}, bearer(key), "limited")).json()).toMatchObject({
      code: "limit_exceeded",
      limit: "pending",
    });
    expect(await codeOf(create(harness.url, "limited", bearer(key)))).toBe("limit_exceeded");
  });

  it("returns 405 for other methods", async () => {
    const answer = await fetch(`${harness.url}/v1/acme/direct-uploads`, { headers: bearer(key) });
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "OPTIONS, POST"]);
  });
});

describe("POST /v1/:tenant/direct-uploads, when Stream", () => {
  beforeEach(() => harness.stream.reset());

  const envelope = (result: object) => JSON.stringify({ result, success: true, errors: [], messages: [] });
  const uid = "a".repeat(32);

  it.each<[string, Partial<Fault>, number, string]>([
    ["has a full queue", { kind: "refuse", as: "queue" }, 429, "stream_queue_full"],
    ["refuses the token", { kind: "refuse", as: "unauthorized" }, 502, "stream_credential_refused"],
    ["refuses the creation", { kind: "status", status: 400 }, 400, "stream_rejected"],
  ])("%s, releases the reservation", async (_, fault, status, code) => {
    const tenant = await onUpstreamOfItsOwn();
    harness.stream.addFault({ on: "api", kind: "status", ...fault });
    const answer = await ask({}, bearer(tenant.key), tenant.id);
    expect([answer.status, (await problemOf(answer)).code]).toEqual([status, code]);
    expect(await uploadsOf(tenant)).toEqual([]);
  });

  it.each<[string, Partial<Fault>, number, string]>([
    ["does not answer in time", { kind: "latency", milliseconds: 1_000 }, 504, "stream_timeout"],
    ["breaks off", { kind: "reset-after" }, 502, "stream_unreachable"],
    ["answers with nothing", { kind: "status", status: 200, body: "{}" }, 502, "stream_bad_answer"],
    ["answers in HTML", { kind: "status", status: 200, body: "<html>" }, 502, "stream_bad_answer"],
    [
      "gives a uid that is none",
      { kind: "status", status: 200, body: envelope({ uid: "../x", uploadURL: "{stream}/basic/x" }) },
      502,
      "stream_bad_answer",
    ],
  ])("%s, keeps the reservation, since the outcome is unknown", async (_, fault, status, code) => {
    const tenant = await onUpstreamOfItsOwn();
    const answers = fault.body && { body: fault.body.replace("{stream}", harness.stream.url) };
    harness.stream.addFault({ on: "api", kind: "status", ...fault, ...answers });
    const answer = await ask({}, bearer(tenant.key), tenant.id);
    const body = await answer.text();
    expect([answer.status, JSON.parse(body)]).toEqual([status, expect.objectContaining({ code })]);
    expect(await uploadsOf(tenant)).toMatchObject([{ state: "unknown" }]);
  });

  it("returns a link to another host, cancels the upload", async () => {
    const tenant = await onUpstreamOfItsOwn();
    const body = envelope({ uid, uploadURL: "https://evil.example/x" });
    harness.stream.addFault({ on: "api", kind: "status", status: 200, body });
    const answer = await ask({}, bearer(tenant.key), tenant.id);
    const text = await answer.text();
    expect([answer.status, JSON.parse(text)]).toEqual([502, expect.objectContaining({ code: "stream_bad_answer" })]);
    expect(text).not.toContain("evil");
    expect(await uploadsOf(tenant)).toMatchObject([{ state: "cancelled" }]);
  });

  let tenants = 0;

  /** A new upstream, since a refusal by Stream blocks all tenants of an upstream. */
  async function onUpstreamOfItsOwn() {
    const id = `tenant-${++tenants}`;
    const { apiBase, accountId, uploadHost, token } = harness.stream;
    const account = { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token };
    await harness.operator("PUT", `/upstreams/${id}?check=false`, account);
    return { id, key: await harness.tenant(id, { upstream: id }) };
  }

  async function uploadsOf(tenant: { id: string; key: string }) {
    const answer = await fetch(`${harness.url}/v1/${tenant.id}/uploads`, { headers: bearer(tenant.key) });
    return ((await answer.json()) as { uploads: object[] }).uploads;
  }
});
