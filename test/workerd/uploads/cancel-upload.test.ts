import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, inject, it, vi } from "vitest";
import type { Fault } from "../../../src/local-stream/faults.ts";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

/** Cancelling an upload, in every state it may be in, against the local Stream. */

const stream = inject("stream");
const LATER_MS = 3 * 60 * 60 * 1_000;
const ABSENT = "0".repeat(32);

let key: string;

afterEach(() => void vi.useRealTimers());
beforeEach(async () => {
  await control("reset");
  await onUpstream();
});

/** The tenant is on an upstream of its own, with a budget of its own. */
async function onUpstream(budget: object = {}) {
  const { accountId, apiBase, uploadHost, token } = stream;
  const account = { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token, ...budget };
  await asOperator("PUT", "/upstreams/live", account);
  key = await seedTenant("acme", { upstream: "live", limits: { pending: 5 } });
}

async function control(operation: string, input: object = {}): Promise<void> {
  await fetch(`${stream.url}/_control/${operation}`, { method: "POST", body: JSON.stringify(input) });
}

const fault = (fault: Fault) => control("faults", fault);

async function videos(): Promise<{ uid: string }[]> {
  return (await fetch(`${stream.url}/_control/videos`)).json();
}

/** What the API was asked, without the account. */
async function calls(): Promise<string[]> {
  const requests = await (await fetch(`${stream.url}/_control/requests`)).json<{ method: string; url: string }[]>();
  return requests.map(({ method, url }) => `${method} ${url.split("/stream")[1]}`);
}

const as = (method: string, path: string, headers = {}) =>
  request(method, `/v1/acme${path}`, { headers: { Authorization: `Bearer ${key}`, ...headers } });

async function create() {
  const answer = await as("POST", "/uploads", { "Tus-Resumable": "1.0.0", "Upload-Length": "5" });
  const { headers } = answer;
  return {
    status: answer.status,
    id: headers.get("sluice-upload-id") ?? "",
    uid: headers.get("stream-media-id") ?? "",
  };
}

const onlyUpload = async () =>
  (await (await as("GET", "/uploads")).json<{ uploads: { id: string; state: string }[] }>()).uploads[0];

async function cancel(id: string) {
  const answer = await as("DELETE", `/uploads/${id}`);
  return { status: answer.status, ...(await answer.json<{ state?: string; code?: string }>()) };
}

const ledger = () => env.LEDGER.getByName("acme");
const held = async () => {
  const { pending, storedSeconds, videos } = await ledger().usage();
  return { pending, storedSeconds, videos };
};
const NOTHING = { pending: 0, storedSeconds: 0, videos: 0 };

/** What was not done at once, done by the ledger's alarm. */
async function later() {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + LATER_MS });
  await runDurableObjectAlarm(ledger());
}

describe("DELETE /v1/:tenant/uploads/:id", () => {
  it("deletes the video of a pending upload, and holds nothing any longer", async () => {
    const { id, uid } = await create();
    expect(await held()).toMatchObject({ pending: 1 });
    expect(await cancel(id)).toMatchObject({ status: 200, id, uid, state: "cancelled" });
    expect(await held()).toEqual(NOTHING);
    expect(await videos()).toEqual([]);
    expect(await calls()).toEqual(["POST ?direct_user=true", `DELETE /${uid}`]);
    await later();
    expect(await calls()).toHaveLength(2);
  });

  it("finds it by Stream's uid too", async () => {
    const { uid } = await create();
    expect(await cancel(uid)).toMatchObject({ status: 200, state: "cancelled" });
    expect(await videos()).toEqual([]);
  });

  it("deletes a video that is ready", async () => {
    const { id, uid } = await create();
    await ledger().record("live", { report: { kind: "ready", uid, seconds: 5 }, json: { uid } });
    expect(await held()).toEqual({ pending: 0, storedSeconds: 5, videos: 1 });
    expect(await cancel(id)).toMatchObject({ status: 200, state: "deleted" });
    expect(await held()).toEqual(NOTHING);
    expect(await videos()).toEqual([]);
  });

  it("cancels once, however often it is asked, one after the other", async () => {
    const { id } = await create();
    const [first, second] = [await cancel(id), await cancel(id)];
    expect(second).toEqual(first);
    expect(await calls()).toHaveLength(2);
  });

  it("cancels once, however often it is asked, all at once", async () => {
    const { id } = await create();
    const answers = await Promise.all(Array.from({ length: 5 }, () => cancel(id)));
    for (const answer of answers) expect(answer).toMatchObject({ status: 200, state: "cancelled" });
    expect(await held()).toEqual(NOTHING);
    expect(await videos()).toEqual([]);
  });

  it("cancels a creation of which nobody knows the outcome; its video is found and deleted later", async () => {
    await fault({ on: "create", kind: "reset-after" });
    expect((await create()).status).toBe(502);
    const upload = await onlyUpload();
    expect(upload).toMatchObject({ state: "unknown" });
    expect(await videos()).toHaveLength(1);

    expect(await cancel(upload?.id ?? "")).toMatchObject({ status: 200, state: "cancelled" });
    expect(await held()).toEqual(NOTHING);
    await later();
    expect(await videos()).toEqual([]);
  });

  it("cancels a creation that is on its way: its URL is not handed out, and its video deleted", async () => {
    await fault({ on: "create", kind: "latency", milliseconds: 1_500 });
    const creation = create();
    await expect.poll(onlyUpload).toMatchObject({ state: "reserved" });
    const upload = await onlyUpload();
    expect(await cancel(upload?.id ?? "")).toMatchObject({ status: 200, state: "cancelled" });
    expect(await creation).toMatchObject({ status: 410, uid: "" });
    expect(await held()).toEqual(NOTHING);
    await later();
    expect(await videos()).toEqual([]);
  });

  it.each<[string, Fault]>([
    ["is down", { on: "api", kind: "reset" }],
    ["fails", { on: "api", kind: "status", status: 500 }],
    ["has had enough", { on: "api", kind: "refuse", as: "rate" }],
    ["loses its answer", { on: "api", kind: "reset-after" }],
  ])("cancels while Stream %s; the video is deleted later", async (_, befalling) => {
    const { id } = await create();
    await fault(befalling);
    expect(await cancel(id)).toMatchObject({ status: 200, state: "cancelled" });
    expect(await held()).toEqual(NOTHING);
    await later();
    expect(await videos()).toEqual([]);
  });

  it("takes a video for gone that is no longer at Stream", async () => {
    const { id, uid } = await create();
    const body = JSON.stringify({ success: false, errors: [{ code: 10003, message: "not found" }] });
    await fault({ on: "api", kind: "status", status: 404, body });
    expect(await cancel(id)).toMatchObject({ status: 200, state: "cancelled" });
    await later();
    expect(await calls()).toEqual(["POST ?direct_user=true", `DELETE /${uid}`]);
  });

  it("is told by Stream to leave it alone, and so is everyone on the account: nothing more is asked of it", async () => {
    const { id } = await create();
    await fault({ on: "api", kind: "refuse", as: "rate" });
    expect(await cancel(id)).toMatchObject({ status: 200, state: "cancelled" });
    const before = await calls();
    expect((await create()).status).toBe(429);
    expect(await calls()).toEqual(before);
  });

  it("cancels without a call where the budget has none; the video is deleted later", async () => {
    await onUpstream({ callsPerWindow: 4 });
    const { id, uid } = await create();
    await as("GET", `/uploads/${id}?view=stream`);
    expect(await cancel(id)).toMatchObject({ status: 200, state: "cancelled" });
    expect(await calls()).toEqual(["POST ?direct_user=true", `GET /${uid}`]);
    expect(await videos()).toHaveLength(1);
    await onUpstream({ callsPerWindow: 1_000 });
    await later();
    expect(await videos()).toEqual([]);
  });

  it("finds nothing where there is nothing", async () => {
    for (const id of [ABSENT, "junk", "x".repeat(2_000)])
      expect(await cancel(id)).toMatchObject({ status: 404, code: "not_found" });
  });
});

describe("a creation that Stream answers with a video and no URL that can be handed out", () => {
  it("is cancelled, holds nothing, and has its video deleted soon, by its uid", async () => {
    await fault({ on: "create", kind: "location", location: "https://evil.example/tus/1" });
    expect((await create()).status).toBe(502);
    expect(await onlyUpload()).toMatchObject({ state: "cancelled" });
    expect(await held()).toEqual(NOTHING);
    await expect.poll(videos).toEqual([]);
    const [posted, deleted, ...more] = await calls();
    expect([posted, more]).toEqual(["POST ?direct_user=true", []]);
    expect(deleted).toMatch(/^DELETE \/[0-9a-f]{32}$/);
  });

  it("is deleted later where Stream does not take that now", async () => {
    await fault({ on: "create", kind: "location" });
    await fault({ on: "api", kind: "status", status: 500 });
    expect((await create()).status).toBe(502);
    await expect.poll(calls).toHaveLength(2);
    expect(await videos()).toHaveLength(1);
    await later();
    expect(await videos()).toEqual([]);
  });
});

describe("GET …/:id?view=stream", () => {
  it("adds what Stream shows of the video, without the gateway's own mark: one call", async () => {
    const { id, uid } = await create();
    const answer = await (await as("GET", `/uploads/${id}?view=stream`)).json<{ video: { meta: object } }>();
    expect(answer).toMatchObject({ id, state: "issued", video: { uid, status: { state: "pendingupload" } } });
    expect(answer.video.meta).toEqual({});
    expect(await calls()).toEqual(["POST ?direct_user=true", `GET /${uid}`]);
  });

  it("says that there is none where Stream has none any more", async () => {
    const { id, uid } = await create();
    await fetch(`${stream.apiBase}/accounts/${stream.accountId}/stream/${uid}`, {
      method: "DELETE",
      headers: { Authorization: `Bearer ${stream.token}` },
    });
    expect(await (await as("GET", `/uploads/${id}?view=stream`)).json()).toMatchObject({ id, video: null });
  });

  it("is refused, with the time to wait, where the budget has no call left, and where Stream does not say", async () => {
    await onUpstream({ callsPerWindow: 4 });
    const { id } = await create();
    await fault({ on: "api", kind: "status", status: 500 });
    expect(await codeOf(as("GET", `/uploads/${id}?view=stream`))).toBe("stream_error");
    const refused = await as("GET", `/uploads/${id}?view=stream`);
    expect([refused.status, await codeOf(refused)]).toEqual([429, "upstream_busy"]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await as("GET", `/uploads/${id}`)).status).toBe(200);
  });
});
