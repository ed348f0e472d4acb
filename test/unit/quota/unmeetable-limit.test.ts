import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkLimits, limitUses } from "../../../src/core/quota/rules/check-limits.ts";
import type { Limits } from "../../../src/core/quota/rules/limits.ts";
import { unmeetableLimit } from "../../../src/core/quota/rules/unmeetable-limit.ts";
import { emptyTotals } from "../../../src/core/quota/rules/usage-totals.ts";
import { limitsDocument } from "../../support/limits-arbitrary.ts";
import { NOON } from "../../support/policy-fixtures.ts";

const upload = { bytes: 5_000, seconds: 600, creator: "user-1" };

describe("unmeetableLimit", () => {
  it.each<[name: string, limits: Limits, code: string, allowed: number, requested: number]>([
    ["quota.day.bytes", { quota: { day: { bytes: 4_999 } } }, "upload_too_large", 4_999, 5_000],
    ["quota.month.bytes", { quota: { month: { bytes: 1 } } }, "upload_too_large", 1, 5_000],
    ["storedSeconds", { storedSeconds: 599 }, "limit_too_small", 599, 600],
    ["quota.day.seconds", { quota: { day: { seconds: 0 } } }, "limit_too_small", 0, 600],
    ["quota.month.seconds", { quota: { month: { seconds: 599 } } }, "limit_too_small", 599, 600],
    ["pending", { pending: 0 }, "limit_too_small", 0, 1],
    ["pendingPerCreator", { pendingPerCreator: 0 }, "limit_too_small", 0, 1],
    ["rate.tenant", { rate: { tenant: 0 } }, "limit_too_small", 0, 1],
    ["rate.creator", { rate: { creator: 0 } }, "limit_too_small", 0, 1],
    ["quota.day.uploads", { quota: { day: { uploads: 0 } } }, "limit_too_small", 0, 1],
    ["quota.month.uploads", { quota: { month: { uploads: 0 } } }, "limit_too_small", 0, 1],
  ])("refuses for good what %s can never admit", (name, limits, code, allowed, requested) => {
    const refused = unmeetableLimit(limits, upload, "tus");
    expect(refused).toMatchObject({ code, limit: { name, allowed, requested } });
    expect(refused?.detail).toContain(name);
    expect(refused).not.toHaveProperty("retryAfterSeconds");
    expect(refused?.limit).not.toHaveProperty("used");
  });

  it("admits an upload of exactly the limit, an empty file under a limit of 0 bytes, and one without a creator", () => {
    const exactly = { storedSeconds: 600, quota: { day: { bytes: 5_000, seconds: 600, uploads: 1 } } };
    expect(unmeetableLimit(exactly, upload, "tus")).toBeUndefined();
    expect(unmeetableLimit({ quota: { day: { bytes: 0 } } }, { ...upload, bytes: 0 }, "tus")).toBeUndefined();
    const perCreator = { pendingPerCreator: 0, rate: { creator: 0 } };
    expect(unmeetableLimit(perCreator, { bytes: 1, seconds: 1 }, "tus")).toBeUndefined();
  });

  it("says that a basic link counts its maximum size", () => {
    const limits = { quota: { day: { bytes: 100_000_000 } } };
    const basic = { ...upload, bytes: 200_000_000 };
    expect(unmeetableLimit(limits, basic, "direct")?.detail).toContain("create the upload by tus");
    expect(unmeetableLimit(limits, basic, "tus")?.detail).not.toContain("tus");
  });

  it("refuses exactly what limits refuse with nothing used, for any limits and upload", () => {
    const unused = { totals: emptyTotals(NOON), creatorPending: 0, rates: [], nextRelease: () => undefined };
    const size = fc.record(
      { bytes: fc.nat(3), seconds: fc.integer({ min: 1, max: 3 }), creator: fc.constant("user-1") },
      { requiredKeys: ["bytes", "seconds"] },
    );
    fc.assert(
      fc.property(limitsDocument, size, (limits, any) => {
        const refused = unmeetableLimit(limits, any, "tus");
        expect(refused?.limit?.name).toBe(checkLimits(limits, unused, any, NOON)?.limit?.name);
        expect(limitUses(limits, unused, any).every(({ admitted }) => admitted)).toBe(refused === undefined);
      }),
      { numRuns: 1_000 },
    );
  });
});
