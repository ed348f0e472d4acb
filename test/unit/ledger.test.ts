import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type CountedUpload,
  type Totals,
  count,
  countsAlike,
  dayStart,
  emptyTotals,
  monthStart,
  rollOver,
} from "../../src/domain/ledger.ts";
import { UPLOAD_STATES } from "../../src/domain/upload.ts";
import { NOON } from "../support/policy.ts";

const DAY = 86_400;

describe("totals", () => {
  const upload: fc.Arbitrary<CountedUpload> = fc.record({
    state: fc.constantFrom(...UPLOAD_STATES),
    bytes: fc.nat(1_000),
    seconds: fc.nat(1_000),
    created: fc.integer({ min: NOON - 40 * DAY, max: NOON }),
  });
  const sum = (uploads: readonly CountedUpload[]) =>
    uploads.reduce((totals, one) => count(totals, undefined, one), emptyTotals(NOON));

  it("are the sum of what each upload counts for, whatever was changed in whatever order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(upload, fc.nat(5), fc.constantFrom("add", "change", "remove")), { maxLength: 40 }),
        (steps) => {
          const uploads: CountedUpload[] = [];
          let totals: Totals = emptyTotals(NOON);
          for (const [next, which, what] of steps) {
            const index = uploads.length === 0 ? 0 : which % uploads.length;
            const before = what === "add" ? undefined : uploads[index];
            // An upload stays in the day and month in which it was reserved.
            const after = what === "remove" ? undefined : before ? { ...next, created: before.created } : next;
            totals = count(totals, before, after);
            if (before) uploads.splice(index, 1);
            if (after) uploads.push(after);
          }
          expect(totals).toEqual(sum(uploads));
        },
      ),
    );
  });

  it("stay as they are where an upload counts alike before and after", () => {
    const changes = fc.tuple(upload, upload).map(([before, after]) => [before, { ...after, created: before.created }]);
    const alike = fc.tuple(upload, fc.constantFrom(...UPLOAD_STATES)).map(([one, state]) => [one, { ...one, state }]);
    fc.assert(
      fc.property(fc.oneof(changes, alike), ([before, after]) => {
        if (!before || !after || !countsAlike(before, after)) return;
        const totals = sum([before]);
        expect(count(totals, before, after)).toEqual(totals);
      }),
    );
  });

  it("begin a day and a month with nothing, and keep what is pending and stored", () => {
    const totals = sum([{ state: "issued", bytes: 10, seconds: 60, created: NOON }]);
    const nothing = { uploads: 0, bytes: 0, seconds: 0 };
    const one = { uploads: 1, bytes: 10, seconds: 60 };
    expect(rollOver(totals, NOON + DAY)).toMatchObject({ pending: 1, storedSeconds: 60, day: nothing, month: one });
    expect(rollOver(totals, NOON + 10 * DAY)).toMatchObject({
      pending: 1,
      storedSeconds: 60,
      day: nothing,
      month: nothing,
    });
  });

  it("have windows that begin at midnight UTC", () => {
    expect(new Date(dayStart(NOON) * 1000).toISOString()).toBe("2026-11-22T00:00:00.000Z");
    expect(new Date(monthStart(NOON) * 1000).toISOString()).toBe("2026-11-01T00:00:00.000Z");
  });
});
