import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { StreamVideo } from "../../../src/core/stream/rules/video.ts";
import {
  type Ledger,
  LIFE_SECONDS,
  stubResponse,
  resetLocalStream,
  requestsFor,
  reserveAtStream,
  settle,
  settleAfter,
  stubVideo,
  stream,
  videos,
} from "../support/local-stream-fixture.ts";
import { now } from "../support/ledger.ts";
import { asOperator } from "../support/worker.ts";

/** The ledger's alarm while Stream, the registry or the budget is not available. */

resetLocalStream();

/** Sets the upstream's API token to one that Stream rejects, or back to the valid one. */
async function setCredential(kind: "revoked" | "valid"): Promise<void> {
  const { accountId, apiBase, uploadHost, token } = stream;
  const apiToken = kind === "valid" ? token : "revoked";
  await asOperator("PUT", "/upstreams/live?check=false", { accountId, apiBase, uploadHosts: [uploadHost], apiToken });
}

const alarmOf = (ledger: Ledger) => runInDurableObject(ledger, (_, { storage }) => storage.getAlarm());

describe("alarm of a ledger while Stream does not answer", () => {
  it("keeps the state and checks again when Stream returns 500", async () => {
    const { ledger } = await reserveAtStream("made", "attached");
    await stubResponse(500, "");
    expect(await settle(ledger)).toMatchObject({ state: "issued" });
    const alarm = await runInDurableObject(ledger, (_, state) => state.storage.getAlarm());
    expect(alarm).toBeGreaterThan(Date.now() + 30_000);
    expect(await ledger.usage()).toMatchObject({ pending: 1 });
  });

  it.each([
    ["an HTML page", "<html>Not found</html>"],
    ["another error code", { success: false, errors: [{ code: 7003, message: "no route" }] }],
  ])("does not take a 404 with %s for an absent or a deleted video", async (_, body) => {
    const { ledger, id } = await reserveAtStream("made", "attached");
    await stubResponse(404, body);
    expect(await settle(ledger)).toMatchObject({ state: "issued" });
    await ledger.cancel(id, Infinity);
    await stubResponse(404, body);
    expect((await settleAfter(ledger, 60_000))["due"]).not.toBeNull();
    expect(await settleAfter(ledger, 240_000)).toMatchObject({ state: "cancelled", due: null });
    expect(await videos()).toEqual([]);
  });

  it("expires the upload after hours without an answer, and sets it ready when a comparison sees its video", async () => {
    const { ledger, id, tenant } = await reserveAtStream("made", "attached");
    await setCredential("revoked");
    expect(await settle(ledger)).not.toMatchObject({ state: "expired" });
    expect(await settleAfter(ledger, 5 * 60 * 60 * 1_000)).not.toMatchObject({ state: "expired" });
    expect(await settleAfter(ledger, 2 * 60 * 60 * 1_000)).toMatchObject({ state: "expired", due: null });
    expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0 });

    await setCredential("valid");
    const [video] = await videos();
    const readyVideo: StreamVideo = {
      report: { kind: "ready", uid: video?.uid ?? "", seconds: 5 },
      tag: { tenant, uploadId: id },
      json: {},
    };
    const span = { from: now() - 86_400, to: now() };
    expect(await ledger.compare("live", { ...span, videos: [readyVideo] })).toMatchObject({ settled: 1 });
    expect(await ledger.find(id)).toMatchObject({ state: "ready", seconds: 5 });
  });

  it("releases the quota of an unfinished upload that Stream refuses to delete for hours", async () => {
    const { ledger, uid } = await reserveAtStream("made", "attached");
    for (let times = 0; times < 2; times++) {
      await stubVideo(uid, "pendingupload");
      await stubResponse(403, "");
    }
    expect(await settle(ledger)).toMatchObject({ state: "issued" });
    expect(await settleAfter(ledger, 7 * 60 * 60 * 1_000)).toMatchObject({ state: "expired", due: null });
  });

  it("retries the deletion of a cancelled upload for as long as Stream refuses it", async () => {
    const { ledger, id } = await reserveAtStream("made", "attached");
    await ledger.cancel(id, Infinity);
    await setCredential("revoked");
    const pauses: number[] = [];
    for (let attempts = 0; attempts < 6; attempts++) {
      const due = Number((await settleAfter(ledger, (pauses.at(-1) ?? 5) * 1_000))["due"]);
      pauses.push(due - now());
    }
    expect(pauses).toEqual([30, 120, 600, 1_800, 1_800, 1_800]);
    expect((await settleAfter(ledger, 7 * 60 * 60 * 1_000))["due"]).toBe(now() + 1_800);
    expect(await ledger.deletionsPending()).toBe(1);
    await setCredential("valid");
    expect(await settleAfter(ledger, 1_900_000)).toMatchObject({ state: "cancelled", due: null });
    expect(await videos()).toEqual([]);
    expect(await ledger.deletionsPending()).toBe(0);
  });
});

describe("alarm of a ledger without upstream, registry or budget", () => {
  it("expires the upload after the grace period when its upstream was deleted", async () => {
    const { ledger } = await reserveAtStream("made", "attached");
    await env.DB.prepare("DELETE FROM upstreams").run();
    expect(await settle(ledger)).toMatchObject({ state: "issued" });
    expect(await settleAfter(ledger, 7 * 60 * 60 * 1_000)).toMatchObject({ state: "expired", due: null });
  });

  it.each(["upstreams", "tenants"])("keeps the state while the registry cannot read %s", async (table) => {
    const { ledger, tenant } = await reserveAtStream("made", "attached");
    await asOperator("PUT", `/tenants/${tenant}`, { upstream: "live", unfinishedUploads: "keep" });
    await env.DB.exec(`ALTER TABLE ${table} RENAME TO elsewhere`);
    expect(await settleAfter(ledger, 7 * 60 * 60 * 1_000)).toMatchObject({ state: "issued" });
    await env.DB.exec(`ALTER TABLE elsewhere RENAME TO ${table}`);
    expect(await videos()).toHaveLength(1);
  });

  it.each(["issued", "cancelled"])(
    "makes no request (%s) and reschedules the alarm while the budget has no calls",
    async (state) => {
      const { ledger, id, uid } = await reserveAtStream("made", "attached");
      if (state === "cancelled") await ledger.cancel(id, Infinity);
      await env.BUDGET.getByName("live").close(LIFE_SECONDS + 400);
      expect(await settle(ledger)).toMatchObject({ state });
      expect(await requestsFor(uid)).toEqual([]);
      expect(await alarmOf(ledger)).toBeGreaterThan((now() + 280) * 1_000);
    },
  );
});
