import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Fault } from "../../src/local-stream/faults.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";
import { makeVideo } from "../../src/local-stream/make-video.ts";

/** Basic links: the same policy, limits, idempotency and ledger as a creation by tus, and one call to Stream. */

const SECONDS = 3;
const PENDING = 40;

let harness: TestGateway;
let key: string;
let folder: string;
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
        "*": { allow: ["project"] },
      },
    },
  });
  folder = await mkdtemp(join(tmpdir(), "sluice-video-"));
  await makeVideo({ path: join(folder, "video.mp4"), seconds: SECONDS });
  video = await readFile(join(folder, "video.mp4"));
});
afterAll(async () => {
  await harness.stop();
  await rm(folder, { recursive: true, force: true });
});

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

// The first of all: a Stream that is reset has forgotten its webhook.
it("gives a link that takes a file, which Stream makes ready; then it counts for what it is", async () => {
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
    meta: { name: "Cats", project: "p1", sluice: `acme/${link.id}` },
  });
  expect(harness.stream.videos()[0]?.meta).not.toHaveProperty("other");

  // By Stream's webhook.
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

describe("POST /v1/:tenant/direct-uploads", () => {
  beforeEach(() => harness.stream.reset());

  it("is judged by the policy, and explained in the same words", async () => {
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

  it("is refused where less than a link takes is permitted: nobody could hold the file to it", async () => {
    const small = await harness.tenant("small", { policy: { upload: { maxBytes: 1_000_000 } } });
    const answer = await ask({}, bearer(small), "small");
    expect([answer.status, (await problemOf(answer)).code]).toEqual([413, "upload_too_large"]);
    const grant = await mint({ policy: { upload: { maxBytes: 1_000_000 } } });
    expect(await codeOf(ask({}, bearer(grant)))).toBe("upload_too_large");
    expect(harness.stream.requests()).toEqual([]);
  });

  it("belongs to the subject of its grant, whatever the body says", async () => {
    const grant = await mint({ subject: "user-9" });
    const { uid } = await linkOf(ask({ creator: "user-1" }, bearer(grant)));
    expect(harness.stream.videos()).toMatchObject([{ uid, creator: "user-9" }]);
    expect(JSON.stringify(harness.stream.requests())).not.toContain(grant);
  });

  it("gives the same link for the same key, and none for another creation under it", async () => {
    const headers = { ...bearer(key), "Idempotency-Key": "k1" };
    const first = await linkOf(ask({ meta: { name: "a" } }, headers));
    const again = await ask({ meta: { name: "a" } }, headers);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(await again.json()).toEqual(first);
    expect(await codeOf(ask({ meta: { name: "b" } }, headers))).toBe("idempotency_key_reused");
    // A tus client could do nothing with a link, nor a form with a tus URL.
    const tus = { "Upload-Length": "200000000", "Upload-Metadata": metadataHeader({ name: "a" }) };
    expect(await codeOf(create(harness.url, "acme", { ...headers, ...tus }))).toBe("idempotency_key_reused");
    expect(harness.stream.videos()).toHaveLength(1);
  });

  it("uses a grant up, as a creation by tus does", async () => {
    const grant = await mint({ subject: "user-9" });
    expect((await create(harness.url, "acme", bearer(grant))).status).toBe(201);
    expect(await codeOf(ask({}, bearer(grant)))).toBe("idempotency_key_reused");
  });

  it.each<[string, unknown, string]>([
    ["half a body", "{", "body_invalid"],
    ["a list", [], "body_invalid"],
    ["a misspelt option", { maxDurationSecond: 1 }, "body_invalid"],
    ["a number in meta", { meta: { name: 1 } }, "body_invalid"],
    ["an option in meta", { meta: { Expiry: "1" } }, "body_invalid"],
    ["more meta than a header could have", { meta: { a: "x".repeat(20_000) } }, "upload_metadata_too_large"],
    ["a time that is none", { expiry: "tomorrow" }, "metadata_value_invalid"],
    ["a creator that could not be a header", { creator: "a\r\nb" }, "creator_invalid"],
    ["a second credential", { meta: { grant: "junk" } }, "credential_invalid"],
  ])("refuses %s", async (_, body, code) => {
    expect(await codeOf(ask(body))).toBe(code);
    expect(harness.stream.requests()).toEqual([]);
  });

  it("refuses what is no JSON, and too much of it", async () => {
    expect(await codeOf(ask({}, { ...bearer(key), "Content-Type": "text/plain" }))).toBe("body_invalid");
    expect(await codeOf(ask({ meta: { a: "x".repeat(70_000) } }))).toBe("body_too_large");
  });

  it("has no other method", async () => {
    const answer = await fetch(`${harness.url}/v1/acme/direct-uploads`, { headers: bearer(key) });
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "OPTIONS, POST"]);
  });
});

describe("when Stream", () => {
  beforeEach(() => harness.stream.reset());

  const envelope = (result: object) => JSON.stringify({ result, success: true, errors: [], messages: [] });
  const uid = "a".repeat(32);

  it.each<[string, Partial<Fault>, number, string]>([
    ["has a full queue", { kind: "refuse", as: "queue" }, 429, "stream_queue_full"],
    ["refuses the token", { kind: "refuse", as: "unauthorized" }, 502, "stream_credential_refused"],
    ["refuses the creation", { kind: "status", status: 400 }, 400, "stream_rejected"],
  ])("%s, nothing is held any longer", async (_, fault, status, code) => {
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
  ])("%s, the outcome is unknown and the reservation stays", async (_, fault, status, code) => {
    const tenant = await onUpstreamOfItsOwn();
    const answers = fault.body && { body: fault.body.replace("{stream}", harness.stream.url) };
    harness.stream.addFault({ on: "api", kind: "status", ...fault, ...answers });
    const answer = await ask({}, bearer(tenant.key), tenant.id);
    const body = await answer.text();
    expect([answer.status, JSON.parse(body)]).toEqual([status, expect.objectContaining({ code })]);
    expect(await uploadsOf(tenant)).toMatchObject([{ state: "unknown" }]);
  });

  it("gives a link to another host, the reservation is given back", async () => {
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

  /** What Stream says to one closes the gate for all on its upstream. */
  async function onUpstreamOfItsOwn() {
    const id = `tenant-${++tenants}`;
    const { apiBase, accountId, uploadHost, token } = harness.stream;
    const account = { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token };
    await harness.operator("PUT", `/upstreams/${id}`, account);
    return { id, key: await harness.tenant(id, { upstream: id }) };
  }

  async function uploadsOf(tenant: { id: string; key: string }) {
    const answer = await fetch(`${harness.url}/v1/${tenant.id}/uploads`, { headers: bearer(tenant.key) });
    return ((await answer.json()) as { uploads: object[] }).uploads;
  }
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
