import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { expect, it, vi } from "vitest";
import type { StreamVideo } from "../../../src/core/stream/rules/video.ts";
import {
  type Ledger,
  LIFE_SECONDS,
  absent,
  answering,
  beginAnew,
  fault,
  now,
  reserved,
  settle,
  settleAfter,
  showing,
  stream,
  upload,
  videos,
} from "../support/local-stream-fixture.ts";
import { asOperator, reserve } from "../support/worker.ts";

/** What the ledger's alarm makes of uploads whose time is over, by what the local Stream says of them. */

beginAnew();

it("nothing was uploaded: the video is deleted, and the upload has expired", async () => {
  const { ledger } = await reserved("made", "attached");
  expect(await settle(ledger)).toMatchObject({ state: "expired", location: null });
  expect(await videos()).toEqual([]);
  expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0 });
});

it("nothing was uploaded, and the tenant keeps such videos: it stays there, and the upload has expired", async () => {
  const { ledger, tenant } = await reserved("made", "attached");
  await asOperator("PUT", `/tenants/${tenant}`, { upstream: "live", unfinishedUploads: "keep" });
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

it("an upload on an account that is no longer used has expired: nobody can be asked", async () => {
  const { ledger } = await reserved("made", "attached");
  await env.DB.prepare("DELETE FROM upstreams").run();
  expect(await settle(ledger)).toMatchObject({ state: "issued" });
  expect(await settleAfter(ledger, 7 * 60 * 60 * 1_000)).toMatchObject({ state: "expired", due: null });
});

it("the video of a cancelled upload is deleted, if that has not been done", async () => {
  const { ledger, id } = await reserved("made", "attached");
  await ledger.cancel(id, Infinity);
  expect(await settle(ledger)).toMatchObject({ state: "cancelled", due: null });
  expect(await videos()).toEqual([]);
});

it("a cancelled upload whose answer was lost: its video is found, and deleted", async () => {
  const { ledger, id } = await reserved("made", "unknown");
  await ledger.cancel(id, Infinity);
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
  await ledger.cancel(id, Infinity);
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
  await ledger.cancel(id, Infinity);
  await answering(404, body);
  expect((await settleAfter(ledger, 60_000))["due"]).not.toBeNull();
  expect(await settleAfter(ledger, 240_000)).toMatchObject({ state: "cancelled", due: null });
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

it("a video that is long in the making is asked about ever less often, at last every half hour", async () => {
  const { ledger, location } = await reserved("made", "attached");
  await upload(location, "hello");
  const row = await settle(ledger);
  const pauses = [Number(row["due"]) - now()];
  while (pauses.length < 7) pauses.push(Number((await settleAfter(ledger, pauses.at(-1)! * 1_000))["due"]) - now());
  expect(pauses).toEqual([100, 200, 400, 800, 1_600, 1_800, 1_800]);
});

it("its event was lost, and Stream has made a video of it: it is ready, with its real length", async () => {
  const { ledger, uid } = await reserved("made", "attached");
  await showing(uid, "ready", { duration: 4.5, size: 3 });
  expect(await settle(ledger)).toMatchObject({ state: "ready", seconds: 4.5, bytes: 3, location: null, due: null });
  expect(await ledger.usage()).toMatchObject({ pending: 0, videos: 1, storedSeconds: 4.5 });
});

it("its event was lost, and Stream could not make a video of it: it has failed", async () => {
  const { ledger, uid } = await reserved("made", "attached");
  await showing(uid, "error", { status: { state: "error", errorReasonCode: "ERR_NON_VIDEO" } });
  expect(await settle(ledger)).toMatchObject({ state: "failed", failure: "ERR_NON_VIDEO", due: null });
  expect(await ledger.usage()).toMatchObject({ pending: 0, videos: 0, storedSeconds: 0 });
  expect(await videos()).toHaveLength(1);
});

it("Stream does not say: the upload stays as it is, and is asked about again", async () => {
  const { ledger } = await reserved("made", "attached");
  await answering(500, "");
  expect(await settle(ledger)).toMatchObject({ state: "issued" });
  const alarm = await runInDurableObject(ledger, (_, state) => state.storage.getAlarm());
  expect(alarm).toBeGreaterThan(Date.now() + 30_000);
  expect(await ledger.usage()).toMatchObject({ pending: 1 });
});

/** Makes the upstream's credential one that Stream refuses, or gives it back its own. */
async function credential(is: "revoked" | "good"): Promise<void> {
  const { accountId, apiBase, uploadHost, token } = stream;
  const apiToken = is === "good" ? token : "revoked";
  await asOperator("PUT", "/upstreams/live", { accountId, apiBase, uploadHosts: [uploadHost], apiToken });
}

it.each(["attached", "unknown"] as const)(
  "Stream does not say for hours (%s): the upload has expired, and is ready when a sweep finds it so",
  async (outcome) => {
    const { ledger, id, tenant } = await reserved("made", outcome);
    await credential("revoked");
    expect(await settle(ledger)).not.toMatchObject({ state: "expired" });
    expect(await settleAfter(ledger, 5 * 60 * 60 * 1_000)).not.toMatchObject({ state: "expired" });
    expect(await settleAfter(ledger, 2 * 60 * 60 * 1_000)).toMatchObject({ state: "expired", due: null });
    expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0 });

    await credential("good");
    const [made] = await videos();
    const found: StreamVideo = {
      report: { kind: "ready", uid: made?.uid ?? "", seconds: 5 },
      tag: { tenant, uploadId: id },
      json: {},
    };
    const span = { from: now() - 86_400, to: now() };
    expect(await ledger.compare("live", { ...span, videos: [found] })).toMatchObject({ settled: 1 });
    expect(await ledger.find(id)).toMatchObject({ state: "ready", seconds: 5 });
  },
);

it("an abandoned video that Stream does not delete for hours holds nothing any longer", async () => {
  const { ledger, uid } = await reserved("made", "attached");
  for (let times = 0; times < 2; times++) {
    await showing(uid, "pendingupload");
    await answering(403, "");
  }
  expect(await settle(ledger)).toMatchObject({ state: "issued" });
  expect(await settleAfter(ledger, 7 * 60 * 60 * 1_000)).toMatchObject({ state: "expired", due: null });
});

it("a video that the tenant wants gone is deleted, however long Stream refuses that", async () => {
  const { ledger, id } = await reserved("made", "attached");
  await ledger.cancel(id, Infinity);
  await credential("revoked");
  expect((await settle(ledger))["due"]).not.toBeNull();
  expect((await settleAfter(ledger, 7 * 60 * 60 * 1_000))["due"]).toBe(now() + 1_800);
  await credential("good");
  expect(await settleAfter(ledger, 1_900_000)).toMatchObject({ state: "cancelled", due: null });
  expect(await videos()).toEqual([]);
});

it("the key of an upload that has expired is free again; a grant's as well, since nothing was uploaded", async () => {
  const ledger = env.LEDGER.getByName("with-keys");
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
  expect(await reserve(ledger, request("b"))).toMatchObject({ problem: { code: "creation_in_progress" } });
  vi.setSystemTime(Date.now() + 60_000);
  await runDurableObjectAlarm(ledger);
  expect(await reserve(ledger, request("b"))).toMatchObject({ kind: "reserved" });
});

const alarmOf = (ledger: Ledger) => runInDurableObject(ledger, (_, { storage }) => storage.getAlarm());

it.each(["issued", "cancelled"])(
  "while the budget has no call nothing is done (%s), and the alarm comes when it has",
  async (state) => {
    const { ledger, id, uid } = await reserved("made", "attached");
    if (state === "cancelled") await ledger.cancel(id, Infinity);
    await env.BUDGET.getByName("live").close(LIFE_SECONDS + 400);
    expect(await settle(ledger)).toMatchObject({ state });
    expect(await requestsFor(uid)).toEqual([]);
    expect(await alarmOf(ledger)).toBeGreaterThan((now() + 280) * 1_000);
  },
);

it.each(["upstreams", "tenants"])(
  "while the registry cannot tell of %s an upload stays as it is, however late",
  async (table) => {
    const { ledger, tenant } = await reserved("made", "attached");
    await asOperator("PUT", `/tenants/${tenant}`, { upstream: "live", unfinishedUploads: "keep" });
    await env.DB.exec(`ALTER TABLE ${table} RENAME TO elsewhere`);
    expect(await settleAfter(ledger, 7 * 60 * 60 * 1_000)).toMatchObject({ state: "issued" });
    await env.DB.exec(`ALTER TABLE elsewhere RENAME TO ${table}`);
    expect(await videos()).toHaveLength(1);
  },
);

it("an upload whose time is not over is left alone when another's is", async () => {
  const { ledger, uid } = await reserved("made", "attached");
  const [later, size] = [uuidv7(), { bytes: 5, seconds: 60, expires: now() + 2 * LIFE_SECONDS }];
  await ledger.reserve({ id: later, version: 1, limits: {}, upstream: "live", ...size });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + (LIFE_SECONDS + 100) * 1_000 });
  await showing(uid, "inprogress");
  await runDurableObjectAlarm(ledger);
  expect(await ledger.find(later)).toMatchObject({ state: "reserved" });
});

it("what is cancelled while Stream is asked about it is deleted", async () => {
  const { ledger, id, uid } = await reserved("made", "attached");
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + (LIFE_SECONDS + 100) * 1_000 });
  const body = JSON.stringify({ success: true, result: { uid, status: { state: "ready" } } });
  await fault({ on: "api", kind: "status", status: 200, body, milliseconds: 500 });
  const asked = runDurableObjectAlarm(ledger);
  await expect.poll(() => requestsFor(uid)).toEqual(["GET"]);
  await ledger.cancel(id, Infinity);
  await asked;
  vi.setSystemTime(Date.now() + 60_000);
  await runDurableObjectAlarm(ledger);
  expect(await videos()).toEqual([]);
});

async function requestsFor(uid: string): Promise<string[]> {
  const requests = await (await fetch(`${stream.url}/_control/requests`)).json<{ method: string; url: string }[]>();
  return requests.filter(({ url }) => url.endsWith(uid)).map(({ method }) => method);
}
