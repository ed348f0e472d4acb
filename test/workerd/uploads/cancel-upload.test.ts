import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, inject, it, vi } from "vitest";
import type { Fault } from "../../../src/local-stream/faults.ts";
import { searchForLost } from "../support/local-stream-fixture.ts";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

/** Cancels uploads in every state, against the local Stream. */

const stream = inject("stream");
const LATER_MS = 3 * 60 * 60 * 1_000;
const ABSENT = "0".repeat(32);

let key: string;

afterEach(() => void vi.useRealTimers());
beforeEach(async () => {
  await control("reset");
  await configureUpstream();
});

/** Gives the tenant an upstream and a budget of its own. */
async function configureUpstream(budget: object = {}) {
  const { accountId, apiBase, uploadHost, token } = stream;
  const account = { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token, ...budget };
  await asOperator("PUT", "/upstreams/live?check=false", account);
  key = await seedTenant("acme", { upstream: "live", limits: { pending: 5 } });
}

async function control(operation: string, input: object = {}): Promise<void> {
  await fetch(`${stream.url}/_control/${operation}`, { method: "POST", body: JSON.stringify(input) });
}

const fault = (fault: Fault) => control("faults", fault);

async function videos(): Promise<{ uid: string }[]> {
  return (await fetch(`${stream.url}/_control/videos`)).json();
}

/** Requests that Stream's API received, without the account in the path. */
async function calls(): Promise<string[]> {
  const requests = await (await fetch(`${stream.url}/_control/requests`)).json<{ method: string; url: string }[]>();
  return requests.map(({ method, url }) => `${method} ${url.split("/stream")[1]}`);
}

const as = (method: string, path: string, headers = {}) =>
  request(method, `/v1/acme${path}`, { headers: { Authorization: `Bearer ${key}`, ...headers } });

async function create() {
  const response = await as("POST", "/uploads", { "Tus-Resumable": "1.0.0", "Upload-Length": "5" });
  const { headers } = response;
  return {
    status: response.status,
    id: headers.get("sluice-upload-id") ?? "",
    uid: headers.get("stream-media-id") ?? "",
  };
}

const onlyUpload = async () =>
  (await (await as("GET", "/uploads")).json<{ uploads: { id: string; state: string }[] }>()).uploads[0];

async function cancel(id: string) {
  const response = await as("DELETE", `/uploads/${id}`);
  return { status: response.status, ...(await response.json<{ state?: string; code?: string }>()) };
}

const ledger = () => env.LEDGER.getByName("acme");
const held = async () => {
  const { pending, storedSeconds, videos } = await ledger().usage();
  return { pending, storedSeconds, videos };
};
const NOTHING = { pending: 0, storedSeconds: 0, videos: 0 };

/** Runs the ledger's alarm three hours later. */
async function runAlarmLater() {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + LATER_MS });
  await runDurableObjectAlarm(ledger());
}

describe("DELETE /v1/:tenant/uploads/:id", () => {
  it("deletes the video of a pending upload and releases its quota", async () => {
    const { id, uid } = await create();
    expect(await held()).toMatchObject({ pending: 1 });
    expect(await cancel(id)).toMatchObject({ status: 200, id, uid, state: "cancelled" });
    expect(await held()).toEqual(NOTHING);
    expect(await videos()).toEqual([]);
    expect(await calls()).toEqual(["POST ?direct_user=true", `DELETE /${uid}`]);
    await runAlarmLater();
    expect(await calls()).toHaveLength(2);
  });

  it("accepts the uid of the video", async () => {
    const { uid } = await create();
    expect(await cancel(uid)).toMatchObject({ status: 200, state: "cancelled" });
    expect(await videos()).toEqual([]);
  });

  it("deletes a ready video", async () => {
    const { id, uid } = await create();
    await ledger().record("live", { report: { kind: "ready", uid, seconds: 5 }, json: { uid } });
    expect(await held()).toEqual({ pending: 0, storedSeconds: 5, videos: 1 });
    expect(await cancel(id)).toMatchObject({ status: 200, state: "deleted" });
    expect(await held()).toEqual(NOTHING);
    expect(await videos()).toEqual([]);
  });

  it("cancels once when it is called repeatedly", async () => {
    const { id } = await create();
    const [first, second] = [await cancel(id), await cancel(id)];
    expect(second).toEqual(first);
    expect(await calls()).toHaveLength(2);
  });

  it("cancels once when it is called concurrently", async () => {
    const { id } = await create();
    const responses = await Promise.all(Array.from({ length: 5 }, () => cancel(id)));
    for (const response of responses) expect(response).toMatchObject({ status: 200, state: "cancelled" });
    expect(await held()).toEqual(NOTHING);
    expect(await videos()).toEqual([]);
  });

  it("cancels an upload with unknown outcome, whose video is found and deleted later", async () => {
    await fault({ on: "create", kind: "reset-after" });
    expect((await create()).status).toBe(502);
    const upload = await onlyUpload();
    expect(upload).toMatchObject({ state: "unknown" });
    expect(await videos()).toHaveLength(1);

    expect(await cancel(upload?.id ?? "")).toMatchObject({ status: 200, state: "cancelled" });
    expect(await held()).toEqual(NOTHING);
    await searchForLost();
    await expect.poll(videos).toEqual([]);
  });

  it("cancels a creation in progress: withholds its URL and deletes its video later", async () => {
    await fault({ on: "create", kind: "latency", milliseconds: 1_500 });
    const creation = create();
    await expect.poll(onlyUpload).toMatchObject({ state: "reserved" });
    const upload = await onlyUpload();
    expect(await cancel(upload?.id ?? "")).toMatchObject({ status: 200, state: "cancelled" });
    expect(await creation).toMatchObject({ status: 410, uid: "" });
    expect(await held()).toEqual(NOTHING);
    await runAlarmLater();
    expect(await videos()).toEqual([]);
  });

  it.each<[string, Fault]>([
    ["is down", { on: "api", kind: "reset" }],
    ["fails", { on: "api", kind: "status", status: 500 }],
    ["returns 429", { on: "api", kind: "refuse", as: "rate" }],
    ["resets the connection after the request", { on: "api", kind: "reset-after" }],
  ])("cancels while Stream %s, and deletes the video later", async (_, apiFault) => {
    const { id } = await create();
    await fault(apiFault);
    expect(await cancel(id)).toMatchObject({ status: 200, state: "cancelled" });
    expect(await held()).toEqual(NOTHING);
    await runAlarmLater();
    expect(await videos()).toEqual([]);
  });

  it("takes a 404 from Stream for a deleted video", async () => {
    const { id, uid } = await create();
    const body = JSON.stringify({ success: false, errors: [{ code: 10003, message: "not found" }] });
    await fault({ on: "api", kind: "status", status: 404, body });
    expect(await cancel(id)).toMatchObject({ status: 200, state: "cancelled" });
    await runAlarmLater();
    expect(await calls()).toEqual(["POST ?direct_user=true", `DELETE /${uid}`]);
  });

  it("makes no further calls for the account after Stream returned 429", async () => {
    const { id } = await create();
    await fault({ on: "api", kind: "refuse", as: "rate" });
    expect(await cancel(id)).toMatchObject({ status: 200, state: "cancelled" });
    const before = await calls();
    expect((await create()).status).toBe(429);
    expect(await calls()).toEqual(before);
  });

  it("cancels without a call when the budget has none, and deletes the video later", async () => {
    await configureUpstream({ callsPerWindow: 4 });
    const { id, uid } = await create();
    await as("GET", `/uploads/${id}?view=stream`);
    expect(await cancel(id)).toMatchObject({ status: 200, state: "cancelled" });
    expect(await calls()).toEqual(["POST ?direct_user=true", `GET /${uid}`]);
    expect(await videos()).toHaveLength(1);
    await configureUpstream({ callsPerWindow: 1_000 });
    await runAlarmLater();
    expect(await videos()).toEqual([]);
  });

  it("returns 404 for unknown and invalid ids", async () => {
    for (const id of [ABSENT, "junk", "x".repeat(2_000)])
      expect(await cancel(id)).toMatchObject({ status: 404, code: "not_found" });
  });
});

describe("POST /v1/:tenant/uploads when Stream creates a video without a usable URL", () => {
  it("cancels the upload, releases its quota and deletes the video by its uid", async () => {
    await fault({ on: "create", kind: "location", location: "https://evil.example/tus/1" });
    expect((await create()).status).toBe(502);
    expect(await onlyUpload()).toMatchObject({ state: "cancelled" });
    expect(await held()).toEqual(NOTHING);
    await expect.poll(videos).toEqual([]);
    const [posted, deleted, ...more] = await calls();
    expect([posted, more]).toEqual(["POST ?direct_user=true", []]);
    expect(deleted).toMatch(/^DELETE \/[0-9a-f]{32}$/);
  });

  it("deletes the video later when Stream refuses the deletion", async () => {
    await fault({ on: "create", kind: "location" });
    await fault({ on: "api", kind: "status", status: 500 });
    expect((await create()).status).toBe(502);
    await expect.poll(calls).toHaveLength(2);
    expect(await videos()).toHaveLength(1);
    await runAlarmLater();
    expect(await videos()).toEqual([]);
  });
});

describe("GET /v1/:tenant/uploads/:id?view=stream", () => {
  it("adds Stream's video without the sluice key, with one call", async () => {
    const { id, uid } = await create();
    const upload = await (await as("GET", `/uploads/${id}?view=stream`)).json<{ video: { meta: object } }>();
    expect(upload).toMatchObject({ id, state: "issued", video: { uid, status: { state: "pendingupload" } } });
    expect(upload.video.meta).toEqual({});
    expect(await calls()).toEqual(["POST ?direct_user=true", `GET /${uid}`]);
  });

  it("returns null when Stream no longer has the video", async () => {
    const { id, uid } = await create();
    await fetch(`${stream.apiBase}/accounts/${stream.accountId}/stream/${uid}`, {
      method: "DELETE",
      headers: { Authorization: `Bearer ${stream.token}` },
    });
    expect(await (await as("GET", `/uploads/${id}?view=stream`)).json()).toMatchObject({ id, video: null });
  });

  it("returns stream_error when Stream fails, and 429 with Retry-After when the budget has no calls left", async () => {
    await configureUpstream({ callsPerWindow: 4 });
    const { id } = await create();
    await fault({ on: "api", kind: "status", status: 500 });
    expect(await codeOf(as("GET", `/uploads/${id}?view=stream`))).toBe("stream_error");
    const refused = await as("GET", `/uploads/${id}?view=stream`);
    expect([refused.status, await codeOf(refused)]).toEqual([429, "upstream_busy"]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await as("GET", `/uploads/${id}`)).status).toBe(200);
  });
});
