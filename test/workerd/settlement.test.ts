import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, expect, inject, it, vi } from "vitest";
import { createStreamApi } from "../../src/adapters/stream-api.ts";
import { BASIC_UPLOAD_MAX_BYTES, writeDirectUpload } from "../../src/domain/direct-upload.ts";
import { encodeUploadMetadata } from "../../src/domain/upload-metadata.ts";
import type { Upstream } from "../../src/usecases/registry-port.ts";
import type { StreamVideo } from "../../src/usecases/stream-port.ts";
import { asOperator } from "./support.ts";

/** What the ledger's alarm makes of uploads whose time is over, by what the local Stream says of them. */

const stream = inject("stream");
const upstream: Upstream = {
  id: "live",
  accountId: stream.accountId,
  apiBase: stream.apiBase,
  uploadHosts: [stream.uploadHost],
  callsPerWindow: 1_000,
  credential: { kind: "token", token: stream.token },
  webhookSecrets: [],
};
const api = createStreamApi({ deadlineMs: 5_000, allowLoopback: true, pause: () => Promise.resolve() });
const now = () => Math.floor(Date.now() / 1000);
const LIFE_SECONDS = 1_800;
/** The smallest that Stream takes, but for the last one. */
const CHUNK = "x".repeat(5 * 1024 * 1024);
let made = 0;

afterEach(() => void vi.useRealTimers());
beforeEach(async () => {
  await fetch(`${stream.url}/_control/reset`, { method: "POST" });
  const { accountId, apiBase, uploadHost, token } = stream;
  await asOperator("PUT", "/upstreams/live", { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token });
});

/** What the next call of the API is answered. */
async function answering(status: number, body: object | string): Promise<void> {
  const fault = { on: "api", kind: "status", status, body: typeof body === "string" ? body : JSON.stringify(body) };
  await fetch(`${stream.url}/_control/faults`, { method: "POST", body: JSON.stringify(fault) });
}

/** As of a video that is not there; also where the account is mistaken for another one that the token may read. */
const absent = () => answering(404, { success: false, errors: [{ code: 10003, message: "not found" }] });

/** A reservation, and the video that Stream has made for it, if it has: with a basic link, where it is as long as those. */
async function reserved(video: "made" | "not made", outcome: "attached" | "unknown", length = 5) {
  const id = uuidv7();
  made++;
  const ledger = env.LEDGER.getByName(`tenant-${made}`);
  const size = { bytes: length, seconds: 60 };
  await ledger.reserve({ id, version: 1, limits: {}, upstream: "live", expires: now() + LIFE_SECONDS, ...size });
  const tag: [string, string] = ["sluice", `tenant-${made}/${id}`];
  const expiry = new Date((now() + LIFE_SECONDS) * 1_000).toISOString();
  const create = () =>
    length === BASIC_UPLOAD_MAX_BYTES
      ? api.createDirect(
          upstream,
          writeDirectUpload(new Map([["maxdurationseconds", "60"], ["expiry", expiry], tag]), undefined),
        )
      : api.create(upstream, { length, metadata: encodeUploadMetadata([tag]) });
  const created = video === "made" ? await create() : undefined;
  const [uid, location] = created?.kind === "created" ? [created.uid, created.location] : ["0".repeat(32), ""];
  if (outcome === "attached") await ledger.attach(id, uid, location);
  else await ledger.leaveUnknown(id);
  return { id, ledger, uid, location };
}

type Ledger = Awaited<ReturnType<typeof reserved>>["ledger"];

/** The upload's row, after its URL has died and the alarm has come. */
async function settle(ledger: Ledger) {
  const milliseconds = (LIFE_SECONDS + 100) * 1_000;
  await fetch(`${stream.url}/_control/advance`, { method: "POST", body: JSON.stringify({ milliseconds }) });
  return settleAfter(ledger, milliseconds);
}

/** The same, while at Stream no time has passed. */
async function settleAfter(ledger: Ledger, milliseconds: number) {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + milliseconds });
  await runDurableObjectAlarm(ledger);
  return runInDurableObject(ledger, (_, state) => state.storage.sql.exec("SELECT * FROM uploads").one());
}

async function videos(): Promise<{ uid: string; status: { state: string } }[]> {
  return (await fetch(`${stream.url}/_control/videos`)).json();
}

async function upload(location: string, body: string): Promise<void> {
  const headers = { "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream" };
  const answer = await fetch(location, { method: "PATCH", headers, body });
  if (answer.status !== 204) throw new Error(`${answer.status}`);
}

it("nothing was uploaded: the video is deleted, and the upload has expired", async () => {
  const { ledger } = await reserved("made", "attached");
  expect(await settle(ledger)).toMatchObject({ state: "expired", location: null });
  expect(await videos()).toEqual([]);
  expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0 });
});

it("nothing was uploaded, and the tenant keeps such videos: it stays there, and the upload has expired", async () => {
  const { ledger } = await reserved("made", "attached");
  await asOperator("PUT", `/tenants/tenant-${made}`, { upstream: "live", abandoned: "keep" });
  expect(await settle(ledger)).toMatchObject({ state: "expired", location: null, due: null });
  expect(await videos()).toHaveLength(1);
});

it("a video that is looked for too early is left alone until its URL is dead", async () => {
  const { ledger } = await reserved("made", "attached");
  const at = Math.floor(Date.now() / 1000);
  expect(await ledger.compare("live", { from: at - 60, to: at + 60, videos: [] })).toMatchObject({ missing: 1 });
  await runDurableObjectAlarm(ledger);
  const row = await runInDurableObject(ledger, (_, state) => state.storage.sql.exec("SELECT * FROM uploads").one());
  expect(row).toMatchObject({ state: "issued" });
  expect(row["due"]).toBeGreaterThan(at + LIFE_SECONDS);
  expect(await videos()).toHaveLength(1);
});

it("an upload that runs on after its URL should have died is left alone, for some hours", async () => {
  const { ledger, location } = await reserved("made", "attached", CHUNK.length + 1);
  await upload(location, CHUNK);
  const row = await settleAfter(ledger, (LIFE_SECONDS + 100) * 1_000);
  expect(row).toMatchObject({ state: "issued" });
  expect(row["due"]).toBeGreaterThan(now() + 200);
  expect(await videos()).toHaveLength(1);
  expect(await ledger.usage()).toMatchObject({ pending: 1 });
  expect(await settleAfter(ledger, 7 * 60 * 60 * 1_000)).toMatchObject({ state: "expired" });
  expect(await videos()).toEqual([]);
});

it.each([
  [423, "issued"],
  [429, "issued"],
  [503, "issued"],
  [404, "expired"],
  [410, "expired"],
])("an upload may be running where its URL answers %i: it is %s", async (status, state) => {
  const { ledger } = await reserved("made", "attached");
  const fault = { on: "head", kind: "status", status };
  await fetch(`${stream.url}/_control/faults`, { method: "POST", body: JSON.stringify(fault) });
  expect(await settleAfter(ledger, (LIFE_SECONDS + 100) * 1_000)).toMatchObject({ state });
  expect(await videos()).toHaveLength(state === "issued" ? 1 : 0);
});

it("a form that was begun before its basic link died may be running, which nobody can be asked: it has half an hour", async () => {
  const { ledger, location } = await reserved("made", "attached", BASIC_UPLOAD_MAX_BYTES);
  expect(location).toContain("/basic/");
  const row = await settle(ledger);
  expect(row).toMatchObject({ state: "issued", location });
  expect(row["due"]).toBe(Number(row["expires"]) + 1_800);
  expect(await settleAfter(ledger, 1_600_000)).toMatchObject({ state: "issued" });
  expect(await videos()).toHaveLength(1);
  expect(await settleAfter(ledger, 200_000)).toMatchObject({ state: "expired" });
  expect(await videos()).toEqual([]);
});

it("an upload on an account that is no longer used has expired: nobody can be asked", async () => {
  const { ledger } = await reserved("made", "attached");
  await env.DB.prepare("DELETE FROM upstreams").run();
  expect(await settle(ledger)).toMatchObject({ state: "issued" });
  expect(await settleAfter(ledger, 7 * 60 * 60 * 1_000)).toMatchObject({ state: "expired", due: null });
});

it("an upload that has not begun when its URL should have died has expired, even if the URL is alive", async () => {
  const { ledger } = await reserved("made", "attached");
  expect(await settleAfter(ledger, (LIFE_SECONDS + 100) * 1_000)).toMatchObject({ state: "expired" });
});

it("an upload that was broken off when its URL died has expired", async () => {
  const { ledger, location } = await reserved("made", "attached", CHUNK.length + 1);
  await upload(location, CHUNK);
  expect(await settle(ledger)).toMatchObject({ state: "expired", location: null });
  expect(await videos()).toEqual([]);
});

it("the video of a cancelled upload is deleted, if that has not been done", async () => {
  const { ledger, id } = await reserved("made", "attached");
  await ledger.cancel(id);
  expect(await settle(ledger)).toMatchObject({ state: "cancelled", due: null });
  expect(await videos()).toEqual([]);
});

it("a cancelled upload whose answer was lost: its video is found, and deleted", async () => {
  const { ledger, id } = await reserved("made", "unknown");
  await ledger.cancel(id);
  expect(await settle(ledger)).toMatchObject({ state: "cancelled", due: null });
  expect(await videos()).toEqual([]);
});

it("a ready video that is no longer at Stream is deleted here too", async () => {
  const { ledger, uid } = await reserved("made", "attached");
  const ready = { kind: "ready", uid, seconds: 5 } as const;
  await ledger.record("live", { report: ready, json: {} });
  await fetch(`${stream.apiBase}/accounts/${stream.accountId}/stream/${uid}`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${stream.token}` },
  });
  const at = Math.floor(Date.now() / 1000);
  expect(await ledger.compare("live", { from: at - 60, to: at + 60, videos: [] })).toMatchObject({ missing: 1 });
  // The alarm comes at once, by itself.
  await vi.waitFor(async () => expect(await ledger.find(uid)).toMatchObject({ state: "deleted" }), 5_000);
  expect(await ledger.usage()).toMatchObject({ videos: 0, storedSeconds: 0 });
});

it("a ready video that was not to be seen for a while is left alone, and is ready again when it is seen", async () => {
  const { ledger, id, uid } = await reserved("made", "attached");
  const video = { report: { kind: "ready", uid, seconds: 5 }, json: {} } as const;
  await ledger.learn(1, true);
  await ledger.record("live", video);
  const at = now();
  const compare = (...videos: StreamVideo[]) => ledger.compare("live", { from: at - 60, to: at + 60, videos });

  await absent();
  expect(await compare()).toMatchObject({ missing: 1 });
  await vi.waitFor(async () => expect(await ledger.find(id)).toMatchObject({ state: "deleted" }), 5_000);
  // A report may be late: it says nothing of what is there now.
  await ledger.record("live", video);
  expect(await ledger.find(id)).toMatchObject({ state: "deleted" });
  await runDurableObjectAlarm(ledger);
  expect(await videos()).toHaveLength(1);
  expect(await compare(video)).toMatchObject({ settled: 1 });
  expect(await compare(video)).toMatchObject({ settled: 0, missing: 0 });
  await runDurableObjectAlarm(ledger);

  expect(await videos()).toHaveLength(1);
  expect(await ledger.find(id)).toMatchObject({ state: "ready", seconds: 5 });
  expect(await ledger.usage()).toMatchObject({ videos: 1, storedSeconds: 5 });
  const { events } = await ledger.events({ limit: 10 });
  expect(events.map(({ body: { type, data } }) => [type, data.sequence])).toEqual([
    ["upload.ready", 10],
    ["upload.deleted", 6],
    ["upload.ready", 4],
  ]);
});

it("a ready video that has disappeared is deleted at Stream if the tenant wants it so, should it still be there", async () => {
  const { ledger, id, uid } = await reserved("made", "attached");
  await ledger.record("live", { report: { kind: "ready", uid, seconds: 5 }, json: {} });
  await absent();
  await ledger.compare("live", { from: now() - 60, to: now() + 60, videos: [] });
  await vi.waitFor(async () => expect(await ledger.find(id)).toMatchObject({ state: "deleted" }), 5_000);
  await ledger.cancel(id);
  expect(await settle(ledger)).toMatchObject({ state: "deleted", due: null });
  expect(await videos()).toEqual([]);
});

it.each([
  ["a page that is none of Stream's", "<html>Not found</html>"],
  ["another code of Cloudflare's", { success: false, errors: [{ code: 7003, message: "no route" }] }],
])("a 404 with %s does not say that a video is absent, nor that it is gone", async (_, body) => {
  const { ledger, id } = await reserved("made", "attached");
  await answering(404, body);
  expect(await settle(ledger)).toMatchObject({ state: "issued" });
  await ledger.cancel(id);
  await answering(404, body);
  expect((await settleAfter(ledger, 60_000))["due"]).not.toBeNull();
  expect(await settleAfter(ledger, 120_000)).toMatchObject({ state: "cancelled", due: null });
  expect(await videos()).toEqual([]);
});

it("the answer was lost and there is a video: it is found by its metadata, and deleted", async () => {
  const { ledger } = await reserved("made", "unknown");
  expect(await videos()).toHaveLength(1);
  expect(await settle(ledger)).toMatchObject({ state: "expired" });
  expect(await videos()).toEqual([]);
});

it("the answer was lost and there is no video: it has expired", async () => {
  const { ledger } = await reserved("not made", "unknown");
  expect(await settle(ledger)).toMatchObject({ state: "expired" });
});

it("the video was deleted at Stream meanwhile: it has expired", async () => {
  const { ledger } = await reserved("not made", "attached");
  expect(await settle(ledger)).toMatchObject({ state: "expired" });
});

it("the bytes came in time and are being processed: it is asked about again", async () => {
  const { ledger, location } = await reserved("made", "attached");
  await upload(location, "hello");
  expect(await settle(ledger)).toMatchObject({ state: "issued", location });
  expect(await videos()).toMatchObject([{ status: { state: "queued" } }]);
});

it("Stream does not say: the upload stays as it is, and is asked about again", async () => {
  const { ledger } = await reserved("made", "attached");
  await answering(500, "");
  expect(await settle(ledger)).toMatchObject({ state: "issued" });
  const alarm = await runInDurableObject(ledger, (_, state) => state.storage.getAlarm());
  expect(alarm).toBeGreaterThan(Date.now() + 30_000);
  expect(await ledger.usage()).toMatchObject({ pending: 1 });
});

it("the key of an upload that has expired is free again; a grant's as well, since nothing was uploaded", async () => {
  const ledger = env.LEDGER.getByName(`tenant-${++made}`);
  const request = (id: string) => ({
    id,
    version: 1,
    limits: {},
    upstream: "live",
    bytes: 5,
    seconds: 60,
    expires: now() + LIFE_SECONDS,
    idempotency: { key: "grant", fingerprint: "f", once: true },
  });
  await ledger.reserve(request("a"));
  await ledger.attach("a", "0".repeat(32), "https://upload.example/1");
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + (LIFE_SECONDS + 30) * 1_000 });
  expect(await ledger.reserve(request("b"))).toMatchObject({ problem: { code: "creation_in_progress" } });
  vi.setSystemTime(Date.now() + 60_000);
  await runDurableObjectAlarm(ledger);
  expect(await ledger.reserve(request("b"))).toMatchObject({ kind: "reserved" });
});
