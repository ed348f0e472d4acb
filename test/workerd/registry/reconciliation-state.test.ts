import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createReconciliationStates } from "../../../src/adapters/d1/reconciliation-state.ts";

/** A row as version 0.1.0 wrote it. */
const STORED = {
  running: `{"startedAt":1700000000,"cursor":1483228800,"until":1699999400,"pages":2,"videos":40,"settled":1,"adopted":3,"missing":4,"strangers":5}`,
  finished: `{"startedAt":1690000000,"pages":7,"videos":70,"settled":0,"adopted":6,"missing":0,"strangers":8,"endedAt":1690000100}`,
  failure: `{"at":1695000000,"reason":"Stream cannot be reached."}`,
};

describe("the reconciliation state of an earlier version", () => {
  it("is read with today's names, and written back with the stored ones", async () => {
    await env.DB.prepare("INSERT INTO reconciliations VALUES ('eu', 9, ?, ?, ?)")
      .bind(STORED.running, STORED.finished, STORED.failure)
      .run();
    const states = createReconciliationStates(env.DB);
    const read = await states.read("eu");
    const state = {
      running: {
        startedAt: 1_700_000_000,
        cursor: 1_483_228_800,
        until: 1_699_999_400,
        pages: 2,
        videos: 40,
        settled: 1,
        imported: 3,
        missing: 4,
        unmanaged: 5,
      },
      finished: {
        startedAt: 1_690_000_000,
        endedAt: 1_690_000_100,
        pages: 7,
        videos: 70,
        settled: 0,
        imported: 6,
        missing: 0,
        unmanaged: 8,
      },
      failure: { at: 1_695_000_000, reason: "Stream cannot be reached." },
    };
    expect(read).toEqual({ ok: true, value: { revision: 9, state } });

    expect(await states.write("eu", 9, state)).toEqual({ ok: true, value: true });
    const row = await env.DB.prepare("SELECT * FROM reconciliations").first<Record<string, string | number>>();
    expect(row?.["revision"]).toBe(10);
    for (const [column, json] of Object.entries(STORED))
      expect(JSON.parse(String(row?.[column])), column).toEqual(JSON.parse(json));
  });
});
