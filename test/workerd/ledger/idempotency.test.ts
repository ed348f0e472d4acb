import { describe, expect, it } from "vitest";
import { LOCATION, newLedger, newUid, reservationRequest, reserve, now } from "../support/ledger.ts";

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
    await ledger.record("default", { report, json: {}, tag: { tenant: "any", uploadId: next.id } });
    expect(await reserve(ledger, same())).toMatchObject({ problem: { code } });
    expect(await ledger.usage()).toMatchObject({ pending: 0, videos: 1, day: { uploads: 2 } });
  });

  it("refuses the same creation while its outcome is unknown", async () => {
    const ledger = newLedger();
    const lost = reservationRequest(keyed("k"));
    await ledger.reserve(lost);
    await ledger.leaveUnknown(lost.id);
    const repeated = await reserve(ledger, reservationRequest(keyed("k")));
    expect(repeated).toMatchObject({ problem: { code: "creation_in_progress" } });
    expect(repeated.kind === "refused" && repeated.problem.retryAfterSeconds).toBeGreaterThan(1_800);
  });

  it("admits one of ten simultaneous creations", async () => {
    const ledger = newLedger();
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () => reserve(ledger, reservationRequest(keyed("k")))),
    );
    expect(outcomes.filter(({ kind }) => kind === "reserved")).toHaveLength(1);
  });
});
