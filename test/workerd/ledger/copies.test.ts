import { v7 as uuidv7 } from "uuid";
import { describe, expect, it } from "vitest";
import type { ReservationOutcome, ReservationRequest } from "../../../src/core/quota/rules/reservation.ts";
import type { StreamVideo } from "../../../src/core/stream/rules/video.ts";
import {
  type LedgerStub,
  alarmOf,
  expectLedgerConsistent,
  newLedger,
  newUid,
  now,
  reservationRequest,
  rowOf,
  streamVideo,
  tagged,
} from "../support/ledger.ts";

/** Copies and clips in the ledger: they have no upload URL, and a copy is checked when Stream has measured it. */

const TEN_MINUTES = 600;

const requestOf = (more: Partial<ReservationRequest> = {}) =>
  reservationRequest({ source: "copy", expires: now() + 540, ...more });

async function made(ledger: LedgerStub, more: Partial<ReservationRequest> = {}) {
  const [request, uid] = [requestOf(more), newUid()];
  await ledger.reserveVideo(request);
  expect(await ledger.attachVideo(request.id, uid, { uid, status: { state: "downloading" } })).toBe(true);
  return { id: request.id, uid };
}

const reserveAgain = async (ledger: LedgerStub, request: ReservationRequest) =>
  JSON.parse(await ledger.reserveVideo({ ...request, id: uuidv7() })) as ReservationOutcome;

/** What Stream reports of a video with this size. */
const measured = (
  uid: string,
  seconds: number,
  bytes: number,
  kind: "ready" | "processing" = "ready",
): StreamVideo => ({
  ...streamVideo(uid, kind),
  report: { kind, uid, seconds, bytes },
});

describe("a copy", () => {
  it("has no URL, and is asked about after ten minutes", async () => {
    const ledger = newLedger();
    const { id, uid } = await made(ledger);
    expect(await ledger.find(id)).toMatchObject({ state: "issued", uid, source: "copy", bytes: 100, seconds: 60 });
    const row = await rowOf(ledger, id);
    expect(row).toMatchObject({ location: null, due: Number(row["created"]) + TEN_MINUTES });
    expect(JSON.parse(String(row["video"]))).toMatchObject({ status: { state: "downloading" } });
  });

  it("is ready within its reservation", async () => {
    const ledger = newLedger();
    const { id, uid } = await made(ledger);
    await ledger.record("default", measured(uid, 60, 100));
    expect(await ledger.find(id)).toMatchObject({ state: "ready", seconds: 60, bytes: 100 });
    await expectLedgerConsistent(ledger);
  });

  it.each([
    ["longer, when it is ready", 60.001, 100, "ready"],
    ["larger, when it is ready", 60, 101, "ready"],
    ["larger, while it is processed", -1, 101, "processing"],
  ] as const)("fails, counts for nothing and is to be deleted if it is %s", async (_, seconds, bytes, kind) => {
    const ledger = newLedger();
    await ledger.learn(1, true);
    const { id, uid } = await made(ledger);
    await ledger.record("default", measured(uid, seconds, bytes, kind));
    expect(await ledger.find(id)).toMatchObject({
      state: "failed",
      failure: "ERR_SLUICE_POLICY",
      unwanted: true,
      deleting: true,
    });
    expect(await ledger.usage()).toMatchObject({ pending: 0, videos: 0, storedSeconds: 0, day: { seconds: 0 } });
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + 1_000);
    const events = (await ledger.events({ limit: 10 })).events.map(({ body }) => body);
    expect(events).toContainEqual(
      expect.objectContaining({
        type: "upload.failed",
        data: expect.objectContaining({ upload: expect.objectContaining({ failure: "ERR_SLUICE_POLICY" }) }),
      }),
    );
    // A later report changes nothing, and Stream's list neither.
    await ledger.record("default", measured(uid, 1, 1));
    await ledger.compare("default", { from: 0, to: now() + 60, videos: [measured(uid, 1, 1)] });
    expect(await ledger.find(id)).toMatchObject({ state: "failed", failure: "ERR_SLUICE_POLICY" });
    await expectLedgerConsistent(ledger);
  });

  it("is deleted if a later report says that it is larger than was decided", async () => {
    const ledger = newLedger();
    const { id, uid } = await made(ledger);
    await ledger.record("default", { ...streamVideo(uid, "ready"), report: { kind: "ready", uid } });
    expect(await ledger.find(id)).toMatchObject({ state: "ready" });
    await ledger.record("default", measured(uid, 1, 101));
    expect(await ledger.find(id)).toMatchObject({ state: "deleted", unwanted: true });
    await expectLedgerConsistent(ledger);
  });

  it("is replayed at any age, and made anew when it has failed", async () => {
    const ledger = newLedger();
    const idempotency = { key: '["tenant","","k"]', fingerprint: "f", once: false };
    const request = requestOf({ idempotency, expires: now() - 10_000, answerSeconds: 25 });
    await ledger.reserveVideo(request);
    expect(await reserveAgain(ledger, request)).toEqual({ kind: "in progress" });
    const uid = newUid();
    await ledger.attachVideo(request.id, uid, {});
    const replay = { kind: "replayed", id: request.id, uid };
    expect(await reserveAgain(ledger, request)).toMatchObject(replay);
    await ledger.record("default", measured(uid, 1, 1));
    expect(await reserveAgain(ledger, request)).toMatchObject(replay);

    const failing = requestOf({ idempotency: { ...idempotency, key: '["tenant","","l"]' }, answerSeconds: 25 });
    const other = newUid();
    await ledger.reserveVideo(failing);
    await ledger.attachVideo(failing.id, other, {});
    await ledger.record("default", { ...streamVideo(other, "failed"), report: { kind: "failed", uid: other } });
    expect(await reserveAgain(ledger, failing)).toMatchObject({ kind: "reserved" });
  });

  it("is imported as one if the ledger has lost it", async () => {
    const ledger = newLedger();
    const [id, uid] = [uuidv7(), newUid()];
    const video = { ...measured(uid, 10, 10), ...(await tagged(ledger, id)), source: "copy" as const };
    await ledger.compare("default", { from: 0, to: now() + 60, videos: [video] });
    expect(await ledger.find(id)).toMatchObject({ state: "ready", source: "copy" });
  });

  it.each(["processing", "ready"] as const)(
    "is not judged if it is imported %s, without its size: what was decided is lost",
    async (kind) => {
      const ledger = newLedger();
      const [id, uid] = [uuidv7(), newUid()];
      const video = { ...streamVideo(uid, kind, await tagged(ledger, id)), source: "copy" as const };
      await ledger.compare("default", { from: 0, to: now() + 60, videos: [{ ...video, report: { kind, uid } }] });
      await ledger.record("default", measured(uid, 20_000, 1_000));
      expect(await ledger.find(id)).toMatchObject({ state: "ready", unwanted: false, bytes: 1_000, seconds: 20_000 });
      await expectLedgerConsistent(ledger);
    },
  );
});

describe("a clip", () => {
  const parent = newUid();
  const clipVideo = (uid: string, more: Partial<StreamVideo> = {}): StreamVideo => ({
    ...measured(uid, 10, 10),
    created: now(),
    source: "clip",
    json: { uid, clippedFrom: parent, status: { state: "ready" } },
    ...more,
  });
  const clip = { source: "clip", clippedFrom: parent } as const;

  it("names its parent, and is as long as Stream says", async () => {
    const ledger = newLedger();
    const { id, uid } = await made(ledger, { ...clip, seconds: 10 });
    await ledger.record("default", measured(uid, 10.04, 1_000));
    expect(await ledger.find(id)).toMatchObject({
      state: "ready",
      source: "clip",
      clippedFrom: parent,
      seconds: 10.04,
    });
  });

  it.each(["no tag", "the tag of its parent"])("is found and deleted if it was lost and has %s", async (which) => {
    const ledger = newLedger();
    const original = reservationRequest();
    await ledger.reserve(original);
    await ledger.attach(original.id, parent, "https://upload.example/1");
    await ledger.record("default", measured(parent, 60, 100));
    const request = requestOf(clip);
    await ledger.reserveVideo(request);
    await ledger.leaveUnknown(request.id);
    const uid = newUid();
    const tag = which === "no tag" ? {} : await tagged(ledger, original.id);
    await ledger.recordSearch("default", { from: 0, to: -1, videos: [clipVideo(uid, tag)] });
    expect(await ledger.find(request.id)).toMatchObject({ state: "cancelled", uid, unwanted: true });
    expect(await ledger.find(original.id)).toMatchObject({ state: "ready", uid: parent });
    await expectLedgerConsistent(ledger);
  });

  it("is not taken for a lost one while it waits for its own answer", async () => {
    const ledger = newLedger();
    const [lost, waiting, uid] = [requestOf(clip), requestOf(clip), newUid()];
    for (const request of [lost, waiting]) await ledger.reserveVideo(request);
    await ledger.leaveUnknown(lost.id);
    await ledger.recordSearch("default", { from: 0, to: -1, videos: [clipVideo(uid)] });
    expect(await ledger.find(lost.id)).toMatchObject({ state: "unknown" });
    expect(await ledger.attachVideo(waiting.id, uid, {})).toBe(true);
  });

  it("with the tag of its parent is neither the parent nor imported", async () => {
    const ledger = newLedger();
    const original = reservationRequest();
    await ledger.reserve(original);
    await ledger.attach(original.id, parent, "https://upload.example/1");
    await ledger.record("default", measured(parent, 60, 100));
    const { id, uid } = await made(ledger, clip);
    const videos = [
      clipVideo(uid, await tagged(ledger, original.id)),
      { ...measured(parent, 60, 100), ...(await tagged(ledger, original.id)) },
    ];
    const page = { from: 0, to: now() + 60, videos };
    expect(await ledger.compare("default", page)).toMatchObject({ settled: 1, adopted: 0, missing: 0 });
    expect(await ledger.compare("default", page)).toMatchObject({ settled: 0, adopted: 0, missing: 0 });
    expect(await ledger.find(id)).toMatchObject({ state: "ready", uid });
    expect(await ledger.find(original.id)).toMatchObject({ state: "ready", uid: parent });
    await expectLedgerConsistent(ledger);
  });
});
