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
  tagged,
} from "../support/ledger.ts";

const UID = newUid();
const keyed = (key: string, fingerprint = "f", once = false) => ({ idempotency: { key, fingerprint, once } });

describe("TenantLedger.reserve with an idempotency key", () => {
  it("refuses the same creation while in progress, then replays it, and refuses another one", async () => {
    const ledger = newLedger();
    const one = reservationRequest(keyed("k"));
    await ledger.reserve(one);
    expect(await reserve(ledger, reservationRequest(keyed("k")))).toMatchObject({
      problem: { code: "creation_in_progress" },
    });
    await ledger.attach(one.id, UID, LOCATION);
    expect(await reserve(ledger, reservationRequest(keyed("k")))).toEqual({
      kind: "replayed",
      id: one.id,
      uid: UID,
      location: LOCATION,
      expires: one.expires,
    });
    expect(await reserve(ledger, reservationRequest(keyed("k", "other")))).toMatchObject({
      problem: { code: "idempotency_key_reused" },
    });
    expect(await ledger.usage()).toMatchObject({ pending: 1 });
  });

  it("accepts the key again after the creation failed", async () => {
    const ledger = newLedger();
    const one = reservationRequest(keyed("k"));
    await ledger.reserve(one);
    await ledger.release(one.id, "refused");
    expect(await reserve(ledger, reservationRequest(keyed("k", "other")))).toEqual({ kind: "reserved" });
  });

  it.each([
    ["a client's key", false, "idempotency_key_reused"],
    ["a grant", true, "grant_used"],
  ])("accepts another upload for %s only when the first one is dead", async (_, once, code) => {
    const ledger = newLedger();
    const same = (more = {}) => reservationRequest({ ...keyed("k", "f", once), ...more });
    const dying = same({ expires: now() + 5 });
    await ledger.reserve(dying);
    await ledger.attach(dying.id, UID, LOCATION);
    expect(await reserve(ledger, same())).toMatchObject({ problem: { code: "creation_in_progress" } });
    await ledger.cancel(dying.id, Infinity);
    const next = same();
    expect(await reserve(ledger, next)).toEqual({ kind: "reserved" });
    const report = { kind: "ready", uid: "1".repeat(32), seconds: 7 } as const;
    await ledger.record("default", { report, json: {}, ...(await tagged(ledger, next.id)) });
    expect(await reserve(ledger, same())).toMatchObject({ problem: { code } });
    expect(await ledger.usage()).toMatchObject({ pending: 0, videos: 1, day: { uploads: 2 } });
  });

  it("supersedes a creation with an unknown outcome at once, which counts for nothing then", async () => {
    const ledger = newLedger();
    const [lost, repeat] = [reservationRequest(keyed("k")), reservationRequest(keyed("k"))];
    await ledger.reserve(lost);
    await ledger.leaveUnknown(lost.id);
    expect(await reserve(ledger, repeat)).toMatchObject({ kind: "reserved" });
    expect(await ledger.find(lost.id)).toMatchObject({ state: "cancelled", unwanted: true });
    expect(await ledger.usage()).toMatchObject({ pending: 1, storedSeconds: 60, day: { uploads: 1 } });
    await expectLedgerConsistent(ledger);
  });

  it("supersedes a creation without an answer after its deadline, and throws its late URL away", async () => {
    const ledger = newLedger();
    const [late, lateUid] = [reservationRequest({ ...keyed("k"), answerSeconds: 0 }), newUid()];
    await ledger.reserve(late);
    const repeat = reservationRequest({ ...keyed("k"), answerSeconds: 0 });
    expect(await reserve(ledger, repeat)).toMatchObject({ kind: "reserved" });
    expect(await ledger.attach(late.id, lateUid, LOCATION)).toBe(false);
    const row = await rowOf(ledger, late.id);
    expect(row).toMatchObject({ state: "cancelled", uid: lateUid, location: null, lost: 1 });
    expect(row["due"]).toBeLessThanOrEqual(now());
    expect(await ledger.attach(repeat.id, newUid(), LOCATION)).toBe(true);
    expect(await ledger.usage()).toMatchObject({ pending: 1, day: { uploads: 1 } });
  });

  it("leaves the key with the lost creation if a limit refuses the repeat", async () => {
    const ledger = newLedger();
    const lost = reservationRequest(keyed("k"));
    await ledger.reserve(lost);
    await ledger.leaveUnknown(lost.id);
    const limits = { quota: { day: { bytes: 100 } } };
    expect(await reserve(ledger, reservationRequest({ ...keyed("k"), bytes: 200, limits }))).toMatchObject({
      problem: { code: "limit_exceeded" },
    });
    expect(await rowOf(ledger, lost.id)).toMatchObject({ state: "unknown", idempotency: "k" });
    // What the lost one holds does not count against its repeat.
    expect(await reserve(ledger, reservationRequest({ ...keyed("k"), limits }))).toMatchObject({ kind: "reserved" });
  });

  it("lets one request ask about a URL that is about to expire", async () => {
    const ledger = newLedger();
    const asking = () => reservationRequest({ ...keyed("k"), answerSeconds: 15 });
    const { id, uid } = await issueUpload(ledger, { ...asking(), expires: now() + 59 });
    expect(await reserve(ledger, asking())).toEqual({
      kind: "expiring",
      upload: { id, uid, location: LOCATION, expires: expect.any(Number), upstream: "default" },
    });
    expect(await reserve(ledger, asking())).toEqual({ kind: "in progress" });
    await ledger.stopAsking(id);
    expect(await reserve(ledger, asking())).toMatchObject({ kind: "expiring" });
    await ledger.expire(id);
    expect(await reserve(ledger, asking())).toMatchObject({ kind: "reserved" });
  });

  it("answers a Worker that cannot ask with a refusal", async () => {
    const ledger = newLedger();
    const { answerSeconds: _, ...old } = reservationRequest(keyed("k"));
    await ledger.reserve(old);
    expect(await reserve(ledger, { ...old, id: newUid() })).toMatchObject({
      problem: { code: "creation_in_progress" },
    });
  });

  it("admits one of ten simultaneous creations", async () => {
    const ledger = newLedger();
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () => reserve(ledger, reservationRequest(keyed("k")))),
    );
    expect(outcomes.filter(({ kind }) => kind === "reserved")).toHaveLength(1);
  });
});
