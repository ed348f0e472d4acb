import { runInDurableObject } from "cloudflare:test";
import { v7 as uuidv7 } from "uuid";
import { describe, expect, it } from "vitest";
import type { StoredComparison } from "../../../src/adapters/durable-objects/ledger-rpc.ts";
import type { StreamVideo } from "../../../src/core/stream/rules/video.ts";
import { lowerBoundAt } from "../../../src/core/uploads/rules/upload-id.ts";
import { KEEP_FINISHED_SECONDS } from "../../../src/core/uploads/rules/upload-record.ts";
import { UPLOAD_EVENT_TYPES } from "../../../src/core/webhooks/rules/upload-event.ts";
import {
  alarmOf,
  expectLedgerConsistent,
  issueUpload,
  newLedger,
  newUid,
  now,
  rowOf,
  streamVideo,
  tagged,
  uidOf,
} from "../support/ledger.ts";

describe("TenantLedger.compare", () => {
  const page = (...videos: StreamVideo[]) => ({ from: now() - 60, to: now() + 60, videos });

  it("settles known uploads and imports videos with the tenant's tag", async () => {
    const ledger = newLedger();
    const { name } = ledger;
    const { id, uid } = await issueUpload(ledger);
    const [unknown, other] = [uuidv7(), uuidv7()];
    const unmanaged = [newUid(), newUid()];
    const meta = { name: "cats", project: "p1", sluice: `${name}/${unknown}` };
    const comparison = await ledger.compare(
      "default",
      page(
        streamVideo(uid, "ready"),
        streamVideo(newUid(), "ready", { ...(await tagged(ledger, unknown)), creator: "c", json: { meta } }),
        streamVideo(newUid(), "pending", { ...(await tagged(ledger, other)), maxDurationSeconds: 30 }),
        streamVideo(unmanaged[0] ?? "", "ready", await tagged({ name: "somebody-else" }, uuidv7())),
        streamVideo(unmanaged[1] ?? "", "ready"),
      ),
    );
    expect(comparison).toEqual({ settled: 1, adopted: 2, missing: 0, unmanaged });
    expect(await ledger.find(id)).toMatchObject({ state: "ready" });
    expect(await ledger.find(unknown)).toMatchObject({ state: "ready", seconds: 12, label: "c" });
    expect(await ledger.find(unknown)).toMatchObject({ name: "cats", meta: { project: "p1" } });
    expect(await ledger.find(other)).toMatchObject({ state: "issued", seconds: 30 });
    expect(await ledger.usage()).toMatchObject({ videos: 2, pending: 1, storedSeconds: 54 });
    await expectLedgerConsistent(ledger);
  });

  it("imports no video whose tag or uid belongs to a known upload", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    const own = streamVideo(uid, "pending", await tagged(ledger, id));
    const nothing = { settled: 0, adopted: 0, missing: 0 };
    const copy = streamVideo(newUid(), "ready", await tagged(ledger, id));
    expect(await ledger.compare("default", page(own, copy))).toEqual(nothing);
    const otherTag = streamVideo(uid, "pending", await tagged(ledger, uuidv7()));
    for (const listed of [own, otherTag])
      expect(await ledger.compare("the same account", page(listed))).toEqual(nothing);
    await expectLedgerConsistent(ledger);
  });

  it("imports no video whose tag has an invalid upload id", async () => {
    const ledger = newLedger();
    const video = streamVideo(newUid(), "ready", await tagged(ledger, "zzz"));
    expect(await ledger.compare("default", page(video))).toMatchObject({ adopted: 0 });
  });

  it("makes uploads with a missing video due, for this upstream and time span only", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    await ledger.record("default", streamVideo(uid, "ready"));
    expect(await ledger.compare("other", page())).toMatchObject({ missing: 0 });
    expect(await ledger.compare("default", { from: now() - 60, to: now() - 30, videos: [] })).toMatchObject({
      missing: 0,
    });
    expect(await ledger.find(id)).toMatchObject({ state: "ready" });
    expect(await rowOf(ledger, id)).toMatchObject({ due: null });
    expect(await ledger.compare("default", page())).toEqual({ settled: 0, adopted: 0, missing: 1 });
    expect(await ledger.find(id)).toMatchObject({ state: "ready" });
    expect((await rowOf(ledger, id))["due"]).toBeLessThanOrEqual(now());
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now());
  });

  it("imports no failed or old pending videos, and queues events for imported ones", async () => {
    const ledger = newLedger();
    await ledger.learn(1, true);
    const of = async (kind: StreamVideo["report"]["kind"], created: number) =>
      streamVideo(newUid(), kind, { ...(await tagged(ledger, uuidv7({ msecs: created * 1_000 }))), created });
    const old = now() - KEEP_FINISHED_SECONDS - 60;
    const videos = await Promise.all([of("failed", now()), of("pending", old), of("ready", old)]);
    expect(await ledger.compare("default", page(...videos))).toMatchObject({ adopted: 1 });
    const { events } = await ledger.events({ limit: 10 });
    expect(events.map(({ body }) => body.type)).toEqual(["upload.ready"]);
    // The ledger may have had it before, so this event comes after all earlier ones.
    expect(events[0]?.body.data.sequence).toBeGreaterThan(UPLOAD_EVENT_TYPES.length);
  });

  it("returns how far it got when the span has too many uploads", async () => {
    const ledger = newLedger();
    const [from, to] = [1_700_000_000, 1_700_004_000];
    const id = (_: unknown, index: number) =>
      `${lowerBoundAt(from + Math.floor(index / 4))}-7000-8000-${uidOf(index).slice(-12)}`;
    await runInDurableObject(ledger, (_, { storage: { sql } }) =>
      sql.exec(
        `INSERT INTO uploads (id, state, uid, upstream, bytes, seconds, created, expires)
       SELECT value, 'ready', value, 'default', 1, 1, 0, 0 FROM json_each(?)`,
        JSON.stringify(Array.from({ length: 12_000 }, id)),
      ),
    );
    const pages: StoredComparison[] = [];
    for (let next = from; next <= to; next = (pages.at(-1)?.to ?? to) + 1)
      pages.push(await ledger.compare("default", { from: next, to, videos: [] }));
    expect(pages.map(({ missing }) => missing <= 5_000)).toEqual([true, true, true]);
    expect(pages.reduce((sum, { missing }) => sum + missing, 0)).toBe(12_000);
    const due = await runInDurableObject(ledger, (_, { storage: { sql } }) =>
      sql.exec("SELECT count(*) AS due FROM uploads WHERE due IS NOT NULL").one(),
    );
    expect(due).toEqual({ due: 12_000 });
  });
});
