import { describe, expect, it, vi } from "vitest";
import { BASIC_UPLOAD_MAX_BYTES } from "../../../src/core/uploads/rules/direct-upload.ts";
import type { Fault } from "../../../src/local-stream/faults.ts";
import {
  CHUNK,
  LIFE_SECONDS,
  resetLocalStream,
  injectFault,
  reserveAtStream,
  settle,
  settleAfter,
  stubVideo,
  signedByStream,
  upload,
  videos,
} from "../support/local-stream-fixture.ts";
import { expectLedgerConsistent, now } from "../support/ledger.ts";
import { asOperator, request } from "../support/worker.ts";

resetLocalStream();

describe("alarm of a ledger with an upload that may still be running", () => {
  it("keeps an upload in progress for the grace period after its URL expired", async () => {
    const { ledger, location } = await reserveAtStream("made", "attached", CHUNK.length + 1);
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
  ])("keeps or expires an upload whose URL returns %i: %s", async (status, state) => {
    const { ledger } = await reserveAtStream("made", "attached");
    await injectFault({ on: "head", kind: "status", status });
    expect(await settleAfter(ledger, (LIFE_SECONDS + 100) * 1_000)).toMatchObject({ state });
    expect(await videos()).toHaveLength(state === "issued" ? 1 : 0);
  });

  it("keeps a basic link for half an hour after it expired, since a form may be in progress", async () => {
    const { ledger, location } = await reserveAtStream("made", "attached", BASIC_UPLOAD_MAX_BYTES);
    expect(location).toContain("/basic/");
    const row = await settle(ledger);
    expect(row).toMatchObject({ state: "issued", location });
    expect(row["due"]).toBe(Number(row["expires"]) + 1_800);
    expect(await settleAfter(ledger, 1_600_000)).toMatchObject({ state: "issued" });
    expect(await videos()).toHaveLength(1);
    expect(await settleAfter(ledger, 200_000)).toMatchObject({ state: "expired" });
    expect(await videos()).toEqual([]);
  });

  it("expires an upload that has not begun, even if its URL still works", async () => {
    const { ledger } = await reserveAtStream("made", "attached");
    expect(await settleAfter(ledger, (LIFE_SECONDS + 100) * 1_000)).toMatchObject({ state: "expired" });
  });

  it("expires an upload that was interrupted when its URL expired", async () => {
    const { ledger, location } = await reserveAtStream("made", "attached", CHUNK.length + 1);
    await upload(location, CHUNK);
    expect(await settle(ledger)).toMatchObject({ state: "expired", location: null });
    expect(await videos()).toEqual([]);
  });

  it.each<[string, Fault[]]>([
    ["answers", []],
    ["returns 423 Locked", [{ on: "head", kind: "status", status: 423 }]],
    ["does not answer", [{ on: "head", kind: "reset" }]],
  ])("lets a chunk finish that is in progress when the URL expires, when the upload host %s", async (_, faults) => {
    const { ledger, location, uid } = await reserveAtStream("made", "attached", CHUNK.length + 1);
    await upload(location, CHUNK);
    await injectFault({ on: "patch", kind: "latency", milliseconds: 1_000 });
    const chunk = upload(location, "x", CHUNK.length);
    for (const each of faults) await injectFault(each);
    expect(await settleAfter(ledger, (LIFE_SECONDS + 100) * 1_000)).toMatchObject({ state: "issued", location });
    await chunk;
    expect(await videos()).toMatchObject([{ status: { state: "queued" } }]);
    expect(await settleAfter(ledger, 1_900_000)).toMatchObject({ state: "issued" });
    await stubVideo(uid, "ready", { duration: 7.5 });
    expect(await settleAfter(ledger, 1_900_000)).toMatchObject({ state: "ready", seconds: 7.5, due: null });
  });

  it("counts an upload that was kept when it expired, and that Stream reports ready a day later", async () => {
    const { id, tenant, ledger, uid } = await reserveAtStream("made", "attached");
    await asOperator("PUT", `/tenants/${tenant}`, { upstream: "live", unfinishedUploads: "keep" });
    expect(await settle(ledger)).toMatchObject({ state: "expired" });
    expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0 });

    vi.setSystemTime(Date.now() + 86_400_000);
    const body = JSON.stringify({
      uid,
      status: { state: "ready" },
      duration: 7.5,
      size: 900,
      meta: { sluice: `${tenant}/${id}` },
    });
    const headers = await signedByStream(body);
    for (let times = 0; times < 2; times++)
      expect((await request("POST", "/hooks/stream/live", { headers, body })).status).toBe(200);
    expect(await ledger.find(id)).toMatchObject({ state: "ready", seconds: 7.5, bytes: 900 });
    expect(await ledger.usage()).toMatchObject({ pending: 0, videos: 1, storedSeconds: 7.5 });
    await expectLedgerConsistent(ledger);
  });
});
