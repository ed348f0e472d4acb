import { describe, expect, it } from "vitest";
import {
  type CountedUpload,
  applyToTotals,
  emptyTotals,
  sameTotals,
} from "../../../src/core/quota/rules/usage-totals.ts";
import {
  type UploadProgress,
  type UploadTransition,
  applyTransition,
} from "../../../src/core/uploads/rules/upload-state.ts";
import { Random } from "../../fuzz/random.ts";
import { HostileReports } from "../../support/hostile-reports.ts";

const REPORTS = 100_000;
const SEED = 15;
const NOW = 1_795_867_200;

type Row = UploadProgress & Pick<CountedUpload, "created">;

const reserved = (created: number): Row => ({
  state: "reserved",
  bytes: 1_000,
  seconds: 600,
  created,
  rounds: 0,
  deletionRequested: false,
  lost: false,
  measured: { bytes: false, seconds: false },
});

describe("the totals after 100,000 reports of any kind", () => {
  it("equal the sum over all uploads, and are finite and never negative", { timeout: 120_000 }, () => {
    const random = new Random(SEED);
    const reports = new HostileReports(random);
    const rows: Row[] = [];
    let totals = emptyTotals(NOW);
    let parsed = 0;
    const write = (index: number, after: Row) => {
      const before = rows[index];
      rows[index] = after;
      if (!before || !sameTotals(before, after)) totals = applyToTotals(totals, before, after);
    };
    const change = (index: number, transition: UploadTransition) => {
      const row = rows[index];
      if (row) write(index, { ...row, ...applyTransition(row, transition) });
    };
    for (let sent = 0; sent < REPORTS; sent++) {
      if (sent % 25 === 0) {
        // Of today, this month or before.
        write(rows.length, reserved(NOW - random.below(40 * 86_400)));
        const uid = rows.length.toString(16).padStart(32, "0");
        reports.know(uid, "acme/x");
        change(rows.length - 1, random.chance(0.8) ? { kind: "issued", uid } : { kind: "lost" });
      }
      const recent = Math.max(0, rows.length - 1 - random.below(200));
      if (random.chance(0.01)) change(recent, { kind: "cancelled" });
      if (random.chance(0.01)) change(recent, { kind: "expired" });
      if (random.chance(0.01)) change(recent, { kind: "reported", report: { kind: "absent" } });
      const report = reports.next()?.report;
      if (!report) continue;
      parsed++;
      const index = Number.parseInt(report.uid, 16) - 1;
      const kind = report.kind === "ready" && random.chance(0.2) ? "restored" : "reported";
      change(index, { kind, report } as UploadTransition);
    }
    const recounted = rows.reduce((sum, row) => applyToTotals(sum, undefined, row), emptyTotals(NOW));
    expect(totals).toEqual(recounted);
    expect(parsed).toBeGreaterThan(REPORTS / 2);
    for (const { bytes, seconds } of rows) {
      expect(Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= 3e11).toBe(true);
      expect(seconds >= 0 && seconds <= 360_000).toBe(true);
    }
    for (const [index, { state }] of rows.entries()) if (state !== "deleted") change(index, { kind: "cancelled" });
    expect(totals).toMatchObject({ pending: 0, videos: 0, storedSeconds: 0 });
  });
});
