import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { describe, expect, it, vi } from "vitest";
import type { StreamVideo } from "../../../src/core/stream/rules/video.ts";
import {
  LIFE_SECONDS,
  stubAbsentVideo,
  resetLocalStream,
  injectFault,
  requestsFor,
  reserveAtStream,
  settle,
  settleAfter,
  stubVideo,
  stream,
  upload,
  videos,
} from "../support/local-stream-fixture.ts";
import { now, reserve, signTag } from "../support/ledger.ts";
import { asOperator } from "../support/worker.ts";

/** The ledger's alarm against the local Stream. */

resetLocalStream();

describe("alarm of a ledger with a due upload", () => {
  it("expires the upload and deletes the video when nothing was uploaded", async () => {
    const { ledger } = await reserveAtStream("made", "attached");
    expect(await settle(ledger)).toMatchObject({ state: "expired", location: null });
    expect(await videos()).toEqual([]);
    expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0 });
  });

  it("expires the upload and keeps the video when unfinishedUploads is keep", async () => {
    const { ledger, tenant } = await reserveAtStream("made", "attached");
    await asOperator("PUT", `/tenants/${tenant}`, { upstream: "live", unfinishedUploads: "keep" });
    expect(await settle(ledger)).toMatchObject({ state: "expired", location: null, due: null });
    expect(await videos()).toHaveLength(1);
  });

  it("leaves the upload alone when the alarm comes before the URL expires", async () => {
    const { ledger } = await reserveAtStream("made", "attached");
    const at = Math.floor(Date.now() / 1000);
    expect(await ledger.compare("live", { from: at - 60, to: at + 60, videos: [] })).toMatchObject({ missing: 1 });
    await runDurableObjectAlarm(ledger);
    const row = await runInDurableObject(ledger, (_, state) => state.storage.sql.exec("SELECT * FROM uploads").one());
    expect(row).toMatchObject({ state: "issued" });
    expect(row["due"]).toBeGreaterThan(at + LIFE_SECONDS);
    expect(await videos()).toHaveLength(1);
  });

  it("expires the upload when its video was deleted at Stream", async () => {
    const { ledger } = await reserveAtStream("not made", "attached");
    expect(await settle(ledger)).toMatchObject({ state: "expired" });
  });

  it("waits while Stream processes the video", async () => {
    const { ledger, location } = await reserveAtStream("made", "attached");
    await upload(location, "hello");
    expect(await settle(ledger)).toMatchObject({ state: "issued", location });
    expect(await videos()).toMatchObject([{ status: { state: "queued" } }]);
  });

  it("doubles the interval between checks up to half an hour", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { ledger, location } = await reserveAtStream("made", "attached");
    await upload(location, "hello");
    const row = await settle(ledger);
    const pauses = [Number(row["due"]) - now()];
    while (pauses.length < 7) pauses.push(Number((await settleAfter(ledger, pauses.at(-1)! * 1_000))["due"]) - now());
    expect(pauses).toEqual([100, 200, 400, 800, 1_600, 1_800, 1_800]);
  });

  it("sets the upload ready with its measured length when the notification was lost", async () => {
    const { ledger, uid } = await reserveAtStream("made", "attached");
    await stubVideo(uid, "ready", { duration: 4.5, size: 3 });
    expect(await settle(ledger)).toMatchObject({ state: "ready", seconds: 4.5, bytes: 3, location: null, due: null });
    expect(await ledger.usage()).toMatchObject({ pending: 0, videos: 1, storedSeconds: 4.5 });
  });

  it.each(["removed", "of another tenant"])("sets the upload ready although its video's tag is %s", async (tag) => {
    const meta = tag === "removed" ? { name: "edited" } : { sluice: await signTag("other", uuidv7()) };
    const { ledger, uid } = await reserveAtStream("made", "attached");
    await stubVideo(uid, "ready", { duration: 7, meta });
    expect(await settle(ledger)).toMatchObject({ state: "ready", seconds: 7 });
  });

  it("sets the upload failed when the notification was lost", async () => {
    const { ledger, uid } = await reserveAtStream("made", "attached");
    await stubVideo(uid, "error", { status: { state: "error", errorReasonCode: "ERR_NON_VIDEO" } });
    expect(await settle(ledger)).toMatchObject({ state: "failed", failure: "ERR_NON_VIDEO", due: null });
    expect(await ledger.usage()).toMatchObject({ pending: 0, videos: 0, storedSeconds: 0 });
    expect(await videos()).toHaveLength(1);
  });

  it("leaves other uploads alone that are not due", async () => {
    const { ledger, uid } = await reserveAtStream("made", "attached");
    const [later, size] = [uuidv7(), { bytes: 5, seconds: 60, expires: now() + 2 * LIFE_SECONDS }];
    await ledger.reserve({ id: later, version: 1, limits: {}, upstream: "live", ...size });
    await ledger.attach(later, "1".repeat(32), "https://upload.example/2");
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + (LIFE_SECONDS + 100) * 1_000 });
    await stubVideo(uid, "inprogress");
    await runDurableObjectAlarm(ledger);
    expect(await ledger.find(later)).toMatchObject({ state: "issued" });
  });

  it("frees the idempotency key of an expired upload, including a grant", async () => {
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
});

describe("alarm of a ledger with a cancelled upload", () => {
  it("deletes the video of a cancelled upload if it still exists", async () => {
    const { ledger, id } = await reserveAtStream("made", "attached");
    await ledger.cancel(id, Infinity);
    expect(await settle(ledger)).toMatchObject({ state: "cancelled", due: null });
    expect(await videos()).toEqual([]);
  });

  it("deletes the video of an upload that is cancelled during the check", async () => {
    const { ledger, id, uid } = await reserveAtStream("made", "attached");
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + (LIFE_SECONDS + 100) * 1_000 });
    const body = JSON.stringify({ success: true, result: { uid, status: { state: "ready" } } });
    await injectFault({ on: "api", kind: "status", status: 200, body, milliseconds: 500 });
    const alarm = runDurableObjectAlarm(ledger);
    await expect.poll(() => requestsFor(uid)).toEqual(["GET"]);
    await ledger.cancel(id, Infinity);
    await alarm;
    vi.setSystemTime(Date.now() + 60_000);
    await runDurableObjectAlarm(ledger);
    expect(await videos()).toEqual([]);
  });

  it("deletes a video that had disappeared when its upload is cancelled and Stream has it again", async () => {
    const { ledger, id, uid } = await reserveAtStream("made", "attached");
    await ledger.record("live", { report: { kind: "ready", uid, seconds: 5 }, json: {} });
    await stubAbsentVideo();
    await ledger.compare("live", { from: now() - 60, to: now() + 60, videos: [] });
    await vi.waitFor(async () => expect(await ledger.find(id)).toMatchObject({ state: "deleted" }), 5_000);
    await ledger.cancel(id, Infinity);
    expect(await settle(ledger)).toMatchObject({ state: "deleted", due: null });
    expect(await videos()).toEqual([]);
  });
});

describe("alarm of a ledger whose ready video has disappeared from Stream", () => {
  it("marks the upload deleted when Stream no longer has the video", async () => {
    const { ledger, uid } = await reserveAtStream("made", "attached");
    const ready = { kind: "ready", uid, seconds: 5 } as const;
    await ledger.record("live", { report: ready, json: {} });
    await fetch(`${stream.apiBase}/accounts/${stream.accountId}/stream/${uid}`, {
      method: "DELETE",
      headers: { Authorization: `Bearer ${stream.token}` },
    });
    const at = Math.floor(Date.now() / 1000);
    expect(await ledger.compare("live", { from: at - 60, to: at + 60, videos: [] })).toMatchObject({ missing: 1 });
    // The alarm runs by itself.
    await vi.waitFor(async () => expect(await ledger.find(uid)).toMatchObject({ state: "deleted" }), 5_000);
    expect(await ledger.usage()).toMatchObject({ videos: 0, storedSeconds: 0 });
  });

  it("restores the upload when a comparison sees the video again", async () => {
    const { ledger, id, uid } = await reserveAtStream("made", "attached");
    const video = { report: { kind: "ready", uid, seconds: 5 }, json: {} } as const;
    await ledger.learn(1, true);
    await ledger.record("live", video);
    const at = now();
    const compare = (...videos: StreamVideo[]) => ledger.compare("live", { from: at - 60, to: at + 60, videos });

    await stubAbsentVideo();
    expect(await compare()).toMatchObject({ missing: 1 });
    await vi.waitFor(async () => expect(await ledger.find(id)).toMatchObject({ state: "deleted" }), 5_000);
    // A notification may be late, so it does not restore the video.
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
});
