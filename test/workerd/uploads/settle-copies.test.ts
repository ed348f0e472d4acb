import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { expectLedgerConsistent, newUid, now, reservationRequest } from "../support/ledger.ts";
import {
  requestsFor,
  resetLocalStream,
  settleAfter,
  stubAbsentVideo,
  stubVideo,
} from "../support/local-stream-fixture.ts";

/** What the alarm of a ledger does about copies, against the local Stream: they have no URL that expires. */

resetLocalStream();

const TEN_MINUTES_MS = 600_000;

/** A copy with a reservation of 100 bytes and 60 seconds. */
async function copy(name: string) {
  vi.useFakeTimers({ toFake: ["Date"] });
  const ledger = env.LEDGER.getByName(name);
  const request = reservationRequest({ source: "copy", upstream: "live", expires: now() + 540 });
  const uid = newUid();
  await ledger.reserveVideo(request);
  await ledger.attachVideo(request.id, uid, { uid, status: { state: "downloading" } });
  return { ledger, id: request.id, uid };
}

describe("alarm of a ledger with a copy", () => {
  it.each(["downloading", "queued", "pendingupload"])(
    "asks ten minutes later, and again while it is %s",
    async (state) => {
      const { ledger, uid } = await copy(`copy-${state}`);
      await stubVideo(uid, state);
      const row = await settleAfter(ledger, TEN_MINUTES_MS);
      expect(row).toMatchObject({ state: "issued", unwanted: 0 });
      expect(row["due"]).toBe(now() + 60);
      await stubVideo(uid, state);
      expect(await settleAfter(ledger, 5 * 3_600_000)).toMatchObject({ state: "issued", unwanted: 0 });
      expect(await requestsFor(uid)).toEqual(["GET", "GET"]);
    },
  );

  it("deletes the video of one that is longer than was reserved", async () => {
    const { ledger, uid } = await copy("copy-long");
    await stubVideo(uid, "ready", { duration: 61, size: 10 });
    await stubAbsentVideo();
    await settleAfter(ledger, TEN_MINUTES_MS);
    const row = await settleAfter(ledger, 1_000);
    expect(row).toMatchObject({ state: "failed", failure: "ERR_SLUICE_POLICY", due: null });
    expect(await requestsFor(uid)).toEqual(["GET", "DELETE"]);
    await expectLedgerConsistent(ledger);
  });
});
