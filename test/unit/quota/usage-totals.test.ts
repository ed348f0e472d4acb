import { startOfMonth } from "../../../src/core/shared/time.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type CountedUpload,
  type Totals,
  applyToTotals,
  sameTotals,
  dayStart,
  emptyTotals,
  startNewWindows,
} from "../../../src/core/quota/rules/usage-totals.ts";
import { checkLimits, rateUses } from "../../../src/core/quota/rules/check-limits.ts";
import { UPLOAD_STATES, type UploadState } from "../../../src/core/uploads/rules/upload-state.ts";
import { NOON } from "../../support/policy-fixtures.ts";

const DAY = 86_400;
/** In milliseconds, as Stream measures, and finer. Most doubles are close to 0. */
const SECONDS = fc.oneof(
  fc.nat(40_000_000).map((milliseconds) => milliseconds / 1000),
  fc.double({ min: 0, max: 40_000, noNaN: true }),
);

const upload: fc.Arbitrary<CountedUpload> = fc.record({
  state: fc.constantFrom(...UPLOAD_STATES),
  bytes: fc.nat(1_000),
  seconds: SECONDS,
  created: fc.integer({ min: NOON - 40 * DAY, max: NOON }),
  day: fc.constantFrom(null, null, null, dayStart(NOON), dayStart(NOON - DAY)),
});
const sum = (uploads: readonly CountedUpload[]) =>
  uploads.reduce((totals, one) => applyToTotals(totals, undefined, one), emptyTotals(NOON));

describe("applyToTotals", () => {
  it("equals the sum over all uploads after any sequence of changes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(upload, fc.nat(5), fc.constantFrom("add", "change", "remove")), {
          maxLength: 40,
          size: "max",
        }),
        (steps) => {
          const uploads: CountedUpload[] = [];
          let totals: Totals = emptyTotals(NOON);
          for (const [next, which, what] of steps) {
            const index = uploads.length === 0 ? 0 : which % uploads.length;
            const before = what === "add" ? undefined : uploads[index];
            // An upload keeps the day and month of its reservation.
            const { created, day } = before ?? next;
            const after = what === "remove" ? undefined : { ...next, created, day: day ?? null };
            totals = applyToTotals(totals, before, after);
            if (before) uploads.splice(index, 1);
            if (after) uploads.push(after);
          }
          expect(totals).toEqual(sum(uploads));
        },
      ),
    );
  });

  it("leaves no fractions of milliseconds, and removes earlier ones", () => {
    const seconds = [913.901, 2165.808, 388.476, 3466.6, 2024.761];
    const uploads = seconds.map((one): CountedUpload => ({ state: "ready", bytes: 1, seconds: one, created: NOON }));
    const drifted = { ...emptyTotals(NOON), storedSeconds: 9.094947017729282e-13 };
    const counted = uploads.reduce((totals, one) => applyToTotals(totals, undefined, one), drifted);
    expect(counted.storedSeconds).toBe(8959.546);
    const deleted = uploads.reduce((totals, one) => applyToTotals(totals, one, { ...one, state: "deleted" }), counted);
    expect(deleted).toMatchObject({ storedSeconds: 0, day: { seconds: 8959.546 } });
    const size = { bytes: 1, seconds: 60 };
    const usage = { totals: deleted, creatorPending: 0, rates: [], nextRelease: () => undefined };
    expect(checkLimits({ storedSeconds: 60 }, usage, size, NOON)).toBeUndefined();
  });

  it.each<[UploadState, pending: number, videos: number, storedSeconds: number, bytes: number]>([
    ["reserved", 1, 0, 60, 10],
    ["unknown", 1, 0, 60, 10],
    ["issued", 1, 0, 60, 10],
    ["expired", 0, 0, 0, 0],
    ["failed", 0, 0, 0, 0],
    ["ready", 0, 1, 60, 10],
    ["cancelled", 0, 0, 0, 0],
    ["deleted", 0, 0, 0, 10],
  ])("counts an upload that is %s", (state, pending, videos, storedSeconds, bytes) => {
    const window = { uploads: 1, bytes, seconds: bytes * 6 };
    expect(sum([{ state, bytes: 10, seconds: 60, created: NOON }])).toMatchObject({
      pending,
      videos,
      storedSeconds,
      day: window,
      month: window,
    });
  });

  it("changes nothing when sameTotals is true", () => {
    const fields = fc.subarray(["state", "bytes", "seconds"] as const);
    fc.assert(
      fc.property(upload, upload, fields, (before, other, changed) => {
        const after = { ...before, ...Object.fromEntries(changed.map((field) => [field, other[field]])) };
        if (!sameTotals(before, after)) return;
        const totals = sum([before]);
        expect(applyToTotals(totals, before, after)).toEqual(totals);
      }),
    );
  });
});

describe("startNewWindows", () => {
  it("restarts the day and the month at zero and keeps pending and stored", () => {
    const totals = sum([{ state: "issued", bytes: 10, seconds: 60, created: NOON }]);
    const nothing = { uploads: 0, bytes: 0, seconds: 0 };
    const one = { uploads: 1, bytes: 10, seconds: 60 };
    expect(startNewWindows(totals, NOON + DAY)).toMatchObject({
      pending: 1,
      storedSeconds: 60,
      day: nothing,
      month: one,
    });
    expect(startNewWindows(totals, NOON + 10 * DAY)).toMatchObject({
      pending: 1,
      storedSeconds: 60,
      day: nothing,
      month: nothing,
    });
  });

  it("keeps the windows that have begun when the clock goes back", () => {
    const totals = sum([{ state: "issued", bytes: 10, seconds: 60, created: NOON }]);
    for (const seconds of [1, DAY, 400 * DAY]) expect(startNewWindows(totals, NOON - seconds)).toEqual(totals);
  });

  it("starts windows at midnight UTC", () => {
    expect(new Date(dayStart(NOON) * 1000).toISOString()).toBe("2026-11-22T00:00:00.000Z");
    expect(new Date(startOfMonth(NOON) * 1000).toISOString()).toBe("2026-11-01T00:00:00.000Z");
  });
});

describe("rateUses", () => {
  it("returns the limit of the tenant only when the creation has no creator", () => {
    const names = (creator?: string) => rateUses({ tenant: 60, creator: 6 }, creator, [], NOON).map(({ name }) => name);
    expect(names()).toEqual(["rate.tenant"]);
    expect(names("a")).toEqual(["rate.tenant", "rate.creator"]);
  });
});

describe("sameTotals", () => {
  const upload: CountedUpload = { state: "issued", bytes: 10, seconds: 60, created: NOON };

  it.each<[change: Partial<CountedUpload>, expected: boolean]>([
    [{}, true],
    [{ state: "unknown" }, true],
    [{ state: "ready" }, false],
    [{ state: "deleted" }, false],
    [{ bytes: 11 }, false],
    [{ seconds: 61 }, false],
  ])("with the change %j: %s", (change, expected) => {
    expect(sameTotals(upload, { ...upload, ...change })).toBe(expected);
    expect(sameTotals({ ...upload, ...change }, upload)).toBe(expected);
  });

  it("is true for equal states that are not live", () => {
    expect(sameTotals({ ...upload, state: "ready" }, { ...upload, state: "ready" })).toBe(true);
  });
});

describe("startNewWindows", () => {
  it("keeps a window that has not ended and empties one that has", () => {
    const totals = applyToTotals(emptyTotals(NOON), undefined, {
      state: "ready",
      bytes: 10,
      seconds: 60,
      created: NOON,
    });
    const nextMidnight = dayStart(NOON) + DAY;
    expect(startNewWindows(totals, nextMidnight - 1)).toEqual(totals);
    const nextDay = startNewWindows(totals, nextMidnight);
    expect(nextDay.day).toEqual({ start: nextMidnight, uploads: 0, bytes: 0, seconds: 0 });
    expect(nextDay.month).toEqual(totals.month);
  });
});

describe("applyToTotals", () => {
  it("counts an upload for the day that had begun when it was reserved, whatever the clock showed", () => {
    const [created, day] = [NOON - 400 * DAY, dayStart(NOON)];
    const upload: CountedUpload = { state: "ready", bytes: 10, seconds: 60, created, day };
    expect(applyToTotals(emptyTotals(NOON), undefined, upload)).toMatchObject({
      day: { uploads: 1, bytes: 10, seconds: 60 },
      month: { uploads: 1, bytes: 10, seconds: 60 },
    });
  });

  it("counts an upload from the first second of its day on", () => {
    const upload: CountedUpload = { state: "ready", bytes: 10, seconds: 60, created: dayStart(NOON) };
    expect(applyToTotals(emptyTotals(NOON), undefined, upload).day.uploads).toBe(1);
    expect(applyToTotals(emptyTotals(NOON), undefined, { ...upload, created: upload.created - 1 }).day.uploads).toBe(0);
  });
});
