import { evictDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { EditEnd, EditStart, EditStartOutcome } from "../../../src/core/quota/rules/edit-reservation.ts";
import {
  type LedgerStub,
  alarmOf,
  expectLedgerConsistent,
  issueUpload,
  newLedger,
  newUid,
  now,
  reservationRequest,
  rowOf,
  streamVideo,
} from "../support/ledger.ts";

async function begin(ledger: LedgerStub, id: string, more: Partial<EditStart> = {}): Promise<EditStartOutcome> {
  return JSON.parse(await ledger.beginEdit({ id, version: 1, limits: {}, ...more })) as EditStartOutcome;
}

/** As Stream describes a video that waits for its bytes. */
function pendingVideo(uid: string, json: object = {}, more: Partial<EditEnd["video"]> = {}) {
  return streamVideo(uid, "pending", { json: { uid, status: { state: "pendingupload" }, ...json }, ...more });
}

const types = async (ledger: LedgerStub) =>
  (await ledger.events({ limit: 10 })).events.map(({ body }) => [body.type, body.data.sequence]);

describe("TenantLedger.beginEdit", () => {
  afterEach(() => void vi.useRealTimers());

  it("lets one edit per video begin at a time", async () => {
    const ledger = newLedger();
    const [{ id, uid }, other] = [await issueUpload(ledger), await issueUpload(ledger)];
    const outcomes = await Promise.all([begin(ledger, id), begin(ledger, id), begin(ledger, other.id)]);
    expect(outcomes.map(({ kind }) => kind).toSorted()).toEqual(["begun", "begun", "refused"]);
    expect(outcomes[1]).toMatchObject({ problem: { code: "edit_in_progress", retryAfterSeconds: 1 } });
    await ledger.endEdit(id, { video: pendingVideo(uid) });
    expect(await begin(ledger, id)).toEqual({ kind: "begun", seconds: 60 });
  });

  it("refuses a caller whose version of the tenant is older than the ledger's", async () => {
    const ledger = newLedger();
    const { id } = await issueUpload(ledger);
    await ledger.learn(2, false);
    expect(await begin(ledger, id)).toEqual({ kind: "stale" });
    expect(await begin(ledger, id, { version: 2 })).toMatchObject({ kind: "begun" });
  });

  it("edits only uploads that have a video, and the duration only before the bytes arrive", async () => {
    const ledger = newLedger();
    const [{ id, uid }, cancelled] = [await issueUpload(ledger), await issueUpload(ledger)];
    await ledger.cancel(cancelled.id, Infinity);
    expect(await begin(ledger, cancelled.id)).toMatchObject({ problem: { code: "not_found" } });
    expect(await begin(ledger, "none")).toMatchObject({ problem: { code: "not_found" } });
    await ledger.record("default", streamVideo(uid, "ready"));
    expect(await begin(ledger, id, { seconds: 90 })).toMatchObject({ problem: { code: "upload_not_pending" } });
    expect(await begin(ledger, id)).toMatchObject({ kind: "begun" });
  });

  it("reserves a longer duration, and gives it back if Stream refuses", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    expect(await begin(ledger, id, { seconds: 90 })).toEqual({ kind: "begun", seconds: 60 });
    expect(await ledger.usage()).toMatchObject({ storedSeconds: 90, day: { seconds: 90 }, month: { seconds: 90 } });
    await expectLedgerConsistent(ledger);
    await ledger.endEdit(id, { video: pendingVideo(uid), seconds: 60 });
    expect(await ledger.usage()).toMatchObject({ storedSeconds: 60, day: { seconds: 60 } });
    await expectLedgerConsistent(ledger);
  });

  it("changes nothing when a limit refuses", async () => {
    const ledger = newLedger();
    const { id } = await issueUpload(ledger);
    await issueUpload(ledger);
    const before = await rowOf(ledger, id);
    for (const limits of [
      { storedSeconds: 149 },
      { quota: { day: { seconds: 149 } } },
      { quota: { month: { seconds: 149 } } },
    ]) {
      const outcome = await begin(ledger, id, { seconds: 90, limits });
      expect(outcome).toMatchObject({ kind: "refused", problem: { code: "limit_exceeded", limit: { used: 60 } } });
    }
    expect(await rowOf(ledger, id)).toEqual(before);
    const limits = {
      storedSeconds: 150,
      pending: 1,
      rate: { tenant: 1 },
      quota: { day: { seconds: 150, uploads: 1 } },
    };
    expect(await begin(ledger, id, { seconds: 90, limits })).toMatchObject({ kind: "begun" });
  });

  it("releases a shorter duration only after Stream has agreed", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    await begin(ledger, id, { seconds: 30 });
    expect(await ledger.usage()).toMatchObject({ storedSeconds: 60 });
    await ledger.endEdit(id, { video: pendingVideo(uid), seconds: 30 });
    expect(await ledger.usage()).toMatchObject({ storedSeconds: 30 });
    await expectLedgerConsistent(ledger);
  });

  it("counts an upload of yesterday that grows for today, where the quota has to admit it", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2027, 0, 31, 23, 59) });
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    vi.setSystemTime(Date.UTC(2027, 1, 1, 0, 1));
    const start = Date.UTC(2027, 0, 1) / 1000;
    for (const limits of [{ quota: { day: { seconds: 89 } } }, { quota: { month: { bytes: 99 } } }])
      expect(await begin(ledger, id, { seconds: 90, limits })).toMatchObject({ kind: "refused" });
    expect(await begin(ledger, id, { seconds: 90, limits: { quota: { day: { seconds: 90 } } } })).toMatchObject({
      kind: "begun",
    });
    await ledger.endEdit(id, { video: pendingVideo(uid), seconds: 90 });
    expect(await ledger.usage()).toMatchObject({
      day: { uploads: 1, seconds: 90 },
      month: { uploads: 1, seconds: 90 },
    });
    expect(await ledger.usageOfMonth(start)).toEqual({ uploads: 0, bytes: 0, seconds: 0 });
    await expectLedgerConsistent(ledger);
  });
});

describe("TenantLedger.endEdit", () => {
  it("writes what Stream describes, and queues an event that has the next number", async () => {
    const ledger = newLedger();
    await ledger.learn(1, true);
    const { id, uid } = await issueUpload(ledger, { creator: "user-1", name: "old", meta: '{"project":"p1"}' });
    await begin(ledger, id);
    const meta = { name: "new", project: "p2", sluice: "tag" };
    const json = { meta, creator: "label" };
    const video = pendingVideo(uid, json, { creator: "label" });
    const expires = now() + 3_000;
    expect(await ledger.endEdit(id, { video, expires })).toMatchObject({ name: "new", label: "label", expires });
    expect(await ledger.find(id)).toMatchObject({ name: "new", meta: { project: "p2" }, creator: "user-1", expires });
    expect(await rowOf(ledger, id)).toMatchObject({ editing: null, returns: 1, due: expires + 60 });
    await ledger.record("default", streamVideo(uid, "ready"));
    // Version 0.1 has `returns * 6 + 4` for `upload.ready`: after a rollback, too, it follows the edit.
    expect(await types(ledger)).toEqual([
      ["upload.ready", 10],
      ["upload.updated", 6],
      ["upload.created", 1],
    ]);
  });

  it("keeps how the video is played if its meta is too large to be stored", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger, { name: "old" });
    await ledger.record("default", streamVideo(uid, "ready"));
    await begin(ledger, id);
    const playback = { hls: "https://customer-1.cloudflarestream.com/manifest/video.m3u8" };
    const meta = { name: "new", notes: '"'.repeat(9_000) };
    await ledger.endEdit(id, { video: streamVideo(uid, "ready", { json: { uid, meta, playback } }) });
    expect(await ledger.find(id)).toMatchObject({ name: "new", video: JSON.stringify({ uid, playback }) });
  });

  it("queues no event where nothing of it shows, and leaves nothing due of a ready upload", async () => {
    const ledger = newLedger();
    await ledger.learn(1, true);
    const { id, uid } = await issueUpload(ledger);
    await ledger.record("default", streamVideo(uid, "ready"));
    await begin(ledger, id);
    const json = { uid, status: { state: "ready" }, scheduledDeletion: "2027-01-01T00:00:00Z" };
    await ledger.endEdit(id, { video: streamVideo(uid, "ready", { json }) });
    expect(await rowOf(ledger, id)).toMatchObject({ editing: null, returns: 0, due: null });
    expect(await ledger.find(id)).toMatchObject({ video: JSON.stringify(json) });
    await begin(ledger, id);
    await ledger.endEdit(id, { video: streamVideo(uid, "ready", { json: { ...json, requireSignedURLs: true } }) });
    expect((await types(ledger))[0]).toEqual(["upload.updated", 6]);
  });

  it("queues an event for another duration that Stream agreed to, and none for one that it refused", async () => {
    const ledger = newLedger();
    await ledger.learn(1, true);
    const { id, uid } = await issueUpload(ledger);
    for (const [seconds, agreed] of [
      [90, 60],
      [90, 90],
      [30, 30],
    ] as const) {
      await begin(ledger, id, { seconds });
      await ledger.endEdit(id, { video: pendingVideo(uid), seconds: agreed });
    }
    const { events } = await ledger.events({ limit: 10 });
    expect(events.map(({ body }) => body.data.upload.seconds)).toEqual([30, 90, 60]);
  });

  it("changes nothing of an upload that was cancelled or processed meanwhile", async () => {
    const ledger = newLedger();
    const [cancelled, ready] = [await issueUpload(ledger), await issueUpload(ledger)];
    for (const { id } of [cancelled, ready]) await begin(ledger, id, { seconds: 90 });
    await ledger.cancel(cancelled.id, Infinity);
    await ledger.record("default", streamVideo(ready.uid, "ready"));
    const end = { seconds: 90, expires: 1 };
    await ledger.endEdit(cancelled.id, { ...end, video: pendingVideo(cancelled.uid, { meta: { name: "n" } }) });
    await ledger.endEdit(ready.id, { ...end, video: streamVideo(ready.uid, "ready") });
    expect(await ledger.find(cancelled.id)).not.toHaveProperty("name");
    expect(await ledger.find(ready.id)).toMatchObject({ state: "ready", seconds: 12 });
    expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 12 });
    await expectLedgerConsistent(ledger);
  });

  it("takes no duration and no expiry from Stream's description of a copy", async () => {
    const ledger = newLedger();
    const request = { ...reservationRequest(), source: "copy" } as const;
    const uid = newUid();
    await ledger.reserveVideo(request);
    await ledger.attachVideo(request.id, uid, pendingVideo(uid).json);
    await begin(ledger, request.id);
    const video = pendingVideo(uid, { meta: { name: "new" } }, { maxDurationSeconds: 14_400, expires: now() + 9_999 });
    expect(await ledger.endEdit(request.id, { video })).toMatchObject({
      seconds: 60,
      expires: request.expires,
      name: "new",
    });
    expect(await rowOf(ledger, request.id)).toMatchObject({ state: "issued", due: request.expires + 60 });
  });

  it("keeps the longer reservation and asks Stream soon when the answer was lost", async () => {
    const ledger = newLedger();
    const { id } = await issueUpload(ledger);
    await begin(ledger, id, { seconds: 90 });
    await ledger.endEdit(id, {});
    expect(await rowOf(ledger, id)).toMatchObject({
      editing: expect.any(Number),
      seconds: 90,
      due: expect.closeTo(now() + 30, -1),
    });
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + 31_000);
    expect(await begin(ledger, id)).toEqual({ kind: "begun", seconds: 90 });
  });
});

describe("an edit whose end never comes", () => {
  it("is asked about after a minute, and blocks no other for longer, also after a restart", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    await ledger.record("default", streamVideo(uid, "ready"));
    await begin(ledger, id);
    const due = expect.closeTo(now() + 60, -1);
    expect(await rowOf(ledger, id)).toMatchObject({ editing: expect.any(Number), due });
    await evictDurableObject(ledger);
    expect(await rowOf(ledger, id)).toMatchObject({ editing: expect.any(Number), due });
    // A notification in between may be older than the edit.
    await ledger.record("default", streamVideo(uid, "ready"));
    expect(await rowOf(ledger, id)).toMatchObject({ editing: expect.any(Number), due });
    expect(await begin(ledger, id)).toMatchObject({ kind: "begun" });
  });
});

describe("a report that is older than what an edit left", () => {
  it("does not replace the description of the video", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    const described = (name: string, modified: string) =>
      streamVideo(uid, "ready", { json: { uid, status: { state: "ready" }, meta: { name }, modified } });
    await ledger.record("default", described("old", "2026-11-28T10:00:00.000Z"));
    await begin(ledger, id);
    await ledger.endEdit(id, { video: described("new", "2026-11-28T10:00:00.250Z") });
    await ledger.record("default", described("old", "2026-11-28T10:00:00.000Z"));
    expect(await ledger.find(id)).toMatchObject({ name: "new", video: expect.stringContaining('"new"') });
    await ledger.record("default", described("newest", "2026-11-28T10:00:01.000Z"));
    expect(await ledger.find(id)).toMatchObject({ video: expect.stringContaining('"newest"') });
    // A time that no clock shows yet is a mistake, and must not be the last word.
    await ledger.record("default", described("mistaken", "2999-01-01T00:00:00.000Z"));
    await ledger.record("default", described("true", "2026-11-28T10:00:02.000Z"));
    expect(await ledger.find(id)).toMatchObject({ video: expect.stringContaining('"true"') });
  });
});
