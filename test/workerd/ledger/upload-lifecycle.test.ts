import { v7 as uuidv7 } from "uuid";
import { describe, expect, it } from "vitest";
import {
  LOCATION,
  expectLedgerConsistent,
  issueUpload,
  newLedger,
  newUid,
  now,
  reservationRequest,
  reserve,
  rowOf,
  streamVideo,
  tagged,
} from "../support/ledger.ts";

describe("TenantLedger.record", () => {
  it("matches a video to its upload by tag or uid and settles it", async () => {
    const ledger = newLedger();
    const [one, other] = [await issueUpload(ledger), await issueUpload(ledger)];
    const byTag = await tagged(ledger, one.id);
    expect(await ledger.record("default", streamVideo(one.uid, "ready", byTag))).toBe(true);
    expect(await ledger.record("default", streamVideo(other.uid, "failed"))).toBe(true);
    expect(await ledger.find(one.id)).toMatchObject({
      state: "ready",
      seconds: 12,
      bytes: 90,
      video: expect.stringContaining(one.uid),
    });
    expect(await ledger.find(other.uid)).toMatchObject({ id: other.id, state: "failed" });
    expect(await ledger.usage()).toMatchObject({ pending: 0, videos: 1, storedSeconds: 12 });
    expect(await rowOf(ledger, one.id)).toMatchObject({ due: null, location: null });
    await expectLedgerConsistent(ledger);
  });

  it("returns false when upload, video and upstream do not match", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    const byTag = await tagged(ledger, id);
    expect(await ledger.record("other", streamVideo(uid, "ready", byTag))).toBe(false);
    expect(await ledger.record("default", streamVideo(newUid(), "ready", byTag))).toBe(false);
    expect(await ledger.record("default", streamVideo(newUid(), "ready"))).toBe(false);
    expect(await ledger.find(id)).toMatchObject({ state: "issued" });
  });

  it.each(["pending", "processing", "ready", "failed"] as const)(
    "cancels a lost creation whose video is %s",
    async (kind) => {
      const ledger = newLedger();
      const lost = reservationRequest();
      await ledger.reserve(lost);
      await ledger.leaveUnknown(lost.id);
      const uid = newUid();
      expect(await ledger.record("default", streamVideo(uid, kind, await tagged(ledger, lost.id)))).toBe(true);
      expect(await ledger.find(uid)).toMatchObject({ id: lost.id, state: "cancelled", unwanted: true });
      expect((await rowOf(ledger, lost.id))["due"]).toBeLessThanOrEqual(now());
      expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0, day: { uploads: 0 } });
    },
  );

  it("hands out the URL of an empty file whose video failed before it was attached", async () => {
    const ledger = newLedger();
    const empty = reservationRequest({ bytes: 0 });
    await ledger.reserve(empty);
    const uid = newUid();
    await ledger.record("default", streamVideo(uid, "failed", await tagged(ledger, empty.id)));
    expect(await ledger.attach(empty.id, uid, LOCATION)).toBe(true);
    expect(await ledger.find(uid)).toMatchObject({ state: "failed" });
  });

  it("keeps the stored video object when the report is late", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    for (const kind of ["ready", "processing"] as const) await ledger.record("default", streamVideo(uid, kind));
    expect(JSON.parse((await ledger.find(id))?.video ?? "")).toMatchObject({ status: { state: "ready" } });
  });

  it.each([
    ["without its meta, if that is what is too much", (text: string) => ({ meta: { name: text } }), {}],
    ["not at all otherwise", (text: string) => ({ thumbnail: text }), undefined],
  ])("stores a video object above the size limit %s", async (_, more, stored) => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    const json = { uid, ...more("x".repeat(20_000)) };
    await ledger.record("default", streamVideo(uid, "ready", { json }));
    expect((await ledger.find(id))?.video).toBe(stored && JSON.stringify({ uid, ...stored }));
  });
});

describe("TenantLedger.cancel", () => {
  it("does nothing to a finished upload if asked so, unless its deletion was requested before", async () => {
    const ledger = newLedger();
    const [ready, failed, expired] = [await issueUpload(ledger), await issueUpload(ledger), await issueUpload(ledger)];
    await ledger.record("default", streamVideo(ready.uid, "ready"));
    await ledger.record("default", streamVideo(failed.uid, "failed"));
    await ledger.expire(expired.id);
    expect(await ledger.cancel(ready.id, Infinity, true)).toBe("finished");
    expect(await ledger.cancel(failed.id, Infinity, true)).toBe("finished");
    expect(await ledger.find(ready.id)).toMatchObject({ state: "ready", unwanted: false });
    expect(await ledger.cancel(expired.id, Infinity, true)).toMatchObject({ state: "cancelled" });
    await ledger.cancel(ready.id, Infinity);
    expect(await ledger.cancel(ready.id, Infinity, true)).toMatchObject({ state: "deleted" });
  });

  it("releases the reservation and makes the deletion of the video due until it is confirmed", async () => {
    const ledger = newLedger();
    const { id } = await issueUpload(ledger);
    expect(await ledger.cancel(id, Infinity)).toMatchObject({ id, state: "cancelled" });
    expect(await ledger.cancel(id, Infinity)).toMatchObject({ id, state: "cancelled" });
    expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0, day: { uploads: 1, seconds: 0 } });
    expect((await rowOf(ledger, id))["due"]).toBeLessThanOrEqual(now() + 30);
    await ledger.confirmGone(id);
    await ledger.cancel(id, Infinity);
    expect(await rowOf(ledger, id)).toMatchObject({ due: null });
    await expectLedgerConsistent(ledger);
  });

  it("deletes a ready upload, which still counts for its month", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    await ledger.record("default", streamVideo(uid, "ready"));
    expect(await ledger.cancel(id, Infinity)).toMatchObject({ state: "deleted" });
    expect(await ledger.usage()).toMatchObject({ videos: 0, storedSeconds: 0, month: { seconds: 12, bytes: 90 } });
    await expectLedgerConsistent(ledger);
  });

  it("makes the deletion due again when the video becomes ready after the cancellation", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    await ledger.cancel(id, Infinity);
    await ledger.confirmGone(id);
    await ledger.record("default", streamVideo(uid, "ready"));
    expect(await ledger.find(id)).toMatchObject({ state: "deleted" });
    expect((await rowOf(ledger, id))["due"]).toBeLessThanOrEqual(now());
    await expectLedgerConsistent(ledger);
  });

  it("makes the deletion due and refuses the URL when the creation is in progress", async () => {
    const ledger = newLedger();
    const creation = reservationRequest();
    await ledger.reserve(creation);
    expect(await ledger.cancel(creation.id, Infinity)).toMatchObject({ state: "cancelled" });
    const uid = newUid();
    expect(await ledger.attach(creation.id, uid, "https://upload.example/1")).toBe(false);
    expect(await rowOf(ledger, creation.id)).toMatchObject({ state: "cancelled", uid, location: null });
    expect((await rowOf(ledger, creation.id))["due"]).toBeLessThanOrEqual(now());
  });

  it("leaves nothing due when Stream rejects the creation afterwards", async () => {
    const ledger = newLedger();
    const creation = reservationRequest();
    await ledger.reserve(creation);
    await ledger.cancel(creation.id, Infinity);
    await ledger.release(creation.id, "refused");
    expect(await rowOf(ledger, creation.id)).toMatchObject({ state: "cancelled", due: null });
  });

  it("returns undefined when there is no such upload", async () => {
    expect(await newLedger().cancel(uuidv7(), Infinity)).toBeUndefined();
  });
});

describe("TenantLedger.discard", () => {
  it("makes the deletion of the video due and frees the idempotency key", async () => {
    const ledger = newLedger();
    const idempotency = { key: "k", fingerprint: "f", once: true };
    const creation = reservationRequest({ idempotency });
    await ledger.reserve(creation);
    const uid = newUid();
    await ledger.discard(creation.id, uid);
    expect(await rowOf(ledger, creation.id)).toMatchObject({ state: "cancelled", uid, unwanted: 1 });
    expect((await rowOf(ledger, creation.id))["due"]).toBeLessThanOrEqual(now());
    expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0, day: { uploads: 0, seconds: 0 } });
    expect(await reserve(ledger, reservationRequest({ idempotency }))).toMatchObject({ kind: "reserved" });
    await expectLedgerConsistent(ledger);
  });

  it("makes the deletion due by uid when the tenant has cancelled the upload before", async () => {
    const ledger = newLedger();
    const creation = reservationRequest();
    await ledger.reserve(creation);
    await ledger.cancel(creation.id, Infinity);
    const uid = newUid();
    await ledger.discard(creation.id, uid);
    expect(await rowOf(ledger, creation.id)).toMatchObject({ state: "cancelled", uid });
    expect((await rowOf(ledger, creation.id))["due"]).toBeLessThanOrEqual(now());
  });
});
