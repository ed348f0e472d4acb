import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { expectLedgerConsistent, now, reservationRequest, reserve, rowOf } from "../support/ledger.ts";
import {
  type Ledger,
  LIFE_SECONDS,
  injectFault,
  requestsToStream,
  reserveAtStream,
  resetLocalStream,
  searchForLost,
  settleAfter,
  videos,
} from "../support/local-stream-fixture.ts";

/** Creations whose answer from Stream was lost, against the local Stream. */

resetLocalStream();

const lists = async () => (await requestsToStream()).filter(({ url }) => url.includes("after="));
const searchedTenants = () =>
  runInDurableObject(env.BUDGET.getByName("live"), (_, { storage }) =>
    storage.sql.exec("SELECT tenant FROM searches").toArray(),
  );

/** The alarm at a later time. @returns the upload's row */
async function runAlarmAfter(ledger: Ledger, id: string, seconds: number) {
  vi.setSystemTime(Date.now() + seconds * 1_000);
  await runDurableObjectAlarm(ledger);
  return rowOf(ledger, id);
}

describe("a creation whose answer was lost", () => {
  it("is cancelled, and its video deleted, when a search finds it by its tag", async () => {
    const { ledger, id, uid } = await reserveAtStream("made", "unknown");
    expect(await videos()).toHaveLength(1);
    await searchForLost();
    expect(await ledger.find(id)).toMatchObject({ state: "cancelled", uid });
    expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0, day: { uploads: 0 } });
    await expect.poll(videos).toEqual([]);
    expect((await ledger.events({ limit: 10 })).events).toEqual([]);
    await expectLedgerConsistent(ledger);
  });

  it("expires after 90 seconds without a video, and counts for nothing", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { ledger, id } = await reserveAtStream("not made", "unknown");
    await ledger.learn(1, true);
    expect(await runAlarmAfter(ledger, id, 89)).toMatchObject({ state: "unknown" });
    expect(await ledger.usage()).toMatchObject({ pending: 1, day: { uploads: 1 } });
    expect(await runAlarmAfter(ledger, id, 1)).toMatchObject({ state: "expired", lost: 1 });
    expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0, day: { uploads: 0 } });
    expect((await ledger.events({ limit: 10 })).events).toEqual([]);
    await expectLedgerConsistent(ledger);
  });

  it("expires after 90 seconds although Stream does not answer", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { ledger, id } = await reserveAtStream("made", "unknown");
    await injectFault({ on: "api", kind: "reset", times: 10 });
    await searchForLost();
    expect(await runAlarmAfter(ledger, id, 90)).toMatchObject({ state: "expired" });
    expect(await ledger.usage()).toMatchObject({ pending: 0 });
  });

  it("counts as lost a minute after its Worker died between Stream's answer and the ledger", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { ledger, id } = await reserveAtStream("made", "none");
    expect(await runAlarmAfter(ledger, id, 59)).toMatchObject({ state: "reserved" });
    expect(await runAlarmAfter(ledger, id, 1)).toMatchObject({ state: "unknown" });
    await searchForLost();
    expect(await settleAfter(ledger, 1_000)).toMatchObject({ state: "cancelled", due: null });
    expect(await videos()).toEqual([]);
  });

  it("is found by one list together with those of other tenants", async () => {
    const lost = await Promise.all(Array.from({ length: 5 }, () => reserveAtStream("made", "unknown")));
    await expect.poll(async () => (await searchedTenants()).length).toBeGreaterThanOrEqual(5);
    await searchForLost();
    for (const { ledger, id } of lost) expect(await ledger.find(id)).toMatchObject({ state: "cancelled" });
    expect(await lists()).toHaveLength(1);
    await expect.poll(videos).toEqual([]);
  });

  it("is searched for once a minute for three minutes, and a last time when its URL would have expired", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { ledger, id } = await reserveAtStream("not made", "unknown");
    const search = async () => {
      await searchForLost();
      return (await lists()).length;
    };
    expect(await search()).toBe(1);
    vi.setSystemTime(Date.now() + 60_000);
    expect(await search()).toBe(2);
    expect(await runAlarmAfter(ledger, id, 60)).toMatchObject({ state: "expired" });
    expect(await search()).toBe(3);
    vi.setSystemTime(Date.now() + 61_000);
    expect(await search()).toBe(3);
    expect(await searchedTenants()).toEqual([]);

    const row = await runAlarmAfter(ledger, id, LIFE_SECONDS);
    expect(row["due"]).toBeGreaterThan(now());
    expect(await search()).toBe(4);
    expect(await rowOf(ledger, id)).toMatchObject({ state: "expired", due: null });
  });

  it("is cancelled when its video shows late, at the last look", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { ledger, id } = await reserveAtStream("made", "unknown");
    await runAlarmAfter(ledger, id, 90);
    await runAlarmAfter(ledger, id, LIFE_SECONDS);
    await searchForLost();
    expect(await ledger.find(id)).toMatchObject({ state: "cancelled" });
    expect(await settleAfter(ledger, 1_000)).toMatchObject({ due: null });
    expect(await videos()).toEqual([]);
  });

  it("does not take a video whose tag the gateway has not signed, which is kept", async () => {
    const { ledger, tenant, id } = await reserveAtStream("not made", "unknown");
    const other = await reserveAtStream("made", "attached", 5, {}, `${tenant}/${id}`);
    await searchForLost();
    expect(await lists()).toHaveLength(1);
    expect(await ledger.find(id)).toMatchObject({ state: "unknown" });
    expect((await videos()).map(({ uid }) => uid)).toEqual([other.uid]);
  });

  it("leaves its key to a repeat, and its video is deleted", async () => {
    const idempotency = { key: "k", fingerprint: "f", once: true };
    const { ledger, id, uid } = await reserveAtStream("made", "unknown", 5, { idempotency });
    const repeat = reservationRequest({ idempotency, upstream: "live" });
    expect(await reserve(ledger, repeat)).toMatchObject({ kind: "reserved" });
    // Whether there is a video to delete is not known yet.
    expect(await ledger.deletionsPending()).toBe(0);
    await searchForLost();
    expect(await rowOf(ledger, id)).toMatchObject({ state: "cancelled", uid });
    expect(await ledger.find(repeat.id)).toMatchObject({ state: "reserved" });
    await expect.poll(videos).toEqual([]);
  });

  it("is released although its ledger's alarm comes after the last look", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { ledger, id } = await reserveAtStream("not made", "unknown");
    await runDurableObjectAlarm(ledger);
    vi.setSystemTime(Date.now() + (LIFE_SECONDS + 100) * 1_000);
    await ledger.recordSearch("live", { from: 0, to: now(), videos: [] });
    expect(await rowOf(ledger, id)).toMatchObject({ state: "unknown", due: expect.any(Number) });
    await runDurableObjectAlarm(ledger);
    expect(await ledger.find(id)).toMatchObject({ state: "expired" });
    expect(await ledger.usage()).toMatchObject({ pending: 0 });
  });
});
