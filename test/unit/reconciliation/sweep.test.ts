import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  MARGIN_SECONDS,
  SETTLING_SECONDS,
  SWEEP_INTERVAL_SECONDS,
  type Sweep,
  advanceSweep,
  beginSweep,
  countsFor,
  isSweepDue,
  nextState,
  completeSlice,
} from "../../../src/core/reconciliation/rules/sweep.ts";

const NOW = 1_800_000_000;
const NOTHING = { videos: 0, settled: 0, imported: 0, missing: 0, unmanaged: 0 };
const at = (...times: number[]) => times.map((created) => ({ created }));

/** Sweeps over videos created at these times, in pages of `limit`. */
function sweepOver(created: readonly number[], limit: number) {
  const sorted = created.toSorted((a, b) => a - b);
  const spans: [number, number][] = [];
  const counted: number[] = [];
  const seen = new Set<number>();
  let sweep: Sweep = { ...beginSweep(NOW), cursor: 0 };
  for (let page = 0; sweep.cursor <= sweep.until; page++) {
    if (page > 10_000) throw new Error("The sweep does not end.");
    const all = sorted.filter((time) => time >= sweep.cursor);
    const videos = at(...all.slice(0, limit));
    const slice = completeSlice(sweep, { videos, last: all.length < limit });
    spans.push([slice.from, slice.to]);
    counted.push(...slice.videos.filter((video) => countsFor(slice, video)).map((video) => video.created));
    for (const video of slice.videos) seen.add(video.created);
    sweep = advanceSweep(sweep, slice, NOTHING);
  }
  return { spans, counted, seen, until: sweep.until };
}

describe("completeSlice", () => {
  it("ends the sweep with the last page", () => {
    const { spans, counted } = sweepOver([1, 2, 3], 1_000);
    expect(spans).toEqual([[0, NOW - SETTLING_SECONDS]]);
    expect(counted).toEqual([1, 2, 3]);
  });

  it("leaves the last second and the margin to the next page, and includes the margin's videos", () => {
    const sweep = { ...beginSweep(NOW), cursor: 1_000 };
    const videos = at(1_000, 2_000, 2_060, 2_100, 2_100);
    const slice = completeSlice(sweep, { videos, last: false });
    expect(slice.to).toBe(2_099 - MARGIN_SECONDS);
    expect(slice.videos).toEqual(at(1_000, 2_000, 2_060));
    expect(advanceSweep(sweep, slice, NOTHING).cursor).toBe(2_100 - MARGIN_SECONDS);
  });

  it("includes a video without a creation time in the first slice", () => {
    const sweep = { ...beginSweep(NOW), cursor: 1_000 };
    const slice = completeSlice(sweep, { videos: [{}, ...at(2_000, 3_000)], last: false });
    expect(slice).toEqual({ from: 1_000, to: 2_999 - MARGIN_SECONDS, videos: [{}, ...at(2_000)] });
  });

  it("does not end early because of a video with a time far ahead", () => {
    const sweep = { ...beginSweep(NOW), cursor: 1_000 };
    const slice = completeSlice(sweep, { videos: at(1_000, 4_000_000_000, 2_000, 3_000), last: false });
    expect(slice.to).toBe(2_999 - MARGIN_SECONDS);
    expect(slice.videos).toEqual(at(1_000, 2_000));
  });

  it("advances when many videos were created in one second", () => {
    const { counted } = sweepOver([5, 5, 5, 5, 6, 6, 7, 8, 9, 9], 5);
    expect(counted).toEqual([5, 5, 5, 5, 6, 6, 7, 8, 9, 9]);
    // More videos in one second than a page holds: the rest of that second is skipped.
    expect(sweepOver([5, 5, 5, 5, 6, 7], 3).counted).toEqual([5, 5, 5, 6, 7]);
  });

  it("leaves new videos to the next sweep", () => {
    const { counted, until } = sweepOver([NOW - SETTLING_SECONDS, NOW - SETTLING_SECONDS + 1, NOW], 1_000);
    expect(counted).toEqual([until]);
  });

  it("covers every second once and counts every video once, for any page size", () => {
    const times = fc.array(fc.integer({ min: 0, max: 2_000 }), { maxLength: 200, size: "max" });
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 50 }), (created, limit) => {
        const crowded = [...Map.groupBy(created, (time) => time).values()].some(({ length }) => length >= limit);
        fc.pre(!crowded);
        const { spans, counted, seen, until } = sweepOver(created, limit);
        expect(counted.toSorted((a, b) => a - b)).toEqual(created.toSorted((a, b) => a - b));
        expect(seen).toEqual(new Set(created));
        expect(spans[0]?.[0]).toBe(0);
        expect(spans.at(-1)?.[1]).toBe(until);
        for (const [index, [from, to]] of spans.entries()) {
          expect(to).toBeGreaterThanOrEqual(from);
          if (index > 0) expect(from).toBe((spans[index - 1]?.[1] ?? 0) + 1);
        }
      }),
    );
  });
});

describe("advanceSweep", () => {
  it("counts all skipped videos and keeps the last 20 uids", () => {
    let sweep = beginSweep(NOW);
    const slice = { from: 0, to: 0, videos: [] };
    for (const uids of [["1", "2"], [], Array.from({ length: 100 }, (_, index) => `${index + 3}`), ["103"]])
      sweep = advanceSweep(sweep, slice, { ...NOTHING, skippedUids: uids });
    expect(sweep.skipped).toBe(103);
    expect(sweep.skippedUids).toEqual(Array.from({ length: 20 }, (_, index) => `${index + 84}`));
  });
});

describe("isSweepDue", () => {
  it("is due at first, while a sweep is running, and a while after the last one ended", () => {
    const ended = { ...NOTHING, pages: 1, startedAt: 0, endedAt: NOW };
    expect(isSweepDue({}, NOW)).toBe(true);
    expect(isSweepDue({ running: beginSweep(NOW), finished: ended }, NOW)).toBe(true);
    expect(isSweepDue({ finished: ended }, NOW + SWEEP_INTERVAL_SECONDS - 1)).toBe(false);
    expect(isSweepDue({ finished: ended }, NOW + SWEEP_INTERVAL_SECONDS)).toBe(true);
    // The clock has gone back.
    expect(isSweepDue({ finished: ended }, NOW - SWEEP_INTERVAL_SECONDS)).toBe(true);
  });

  it("keeps the last sweep that ended until another one has", () => {
    const failure = { at: 1, reason: "down" };
    const sweep = beginSweep(NOW);
    const over = advanceSweep(sweep, { from: 0, to: sweep.until, videos: [] }, { ...NOTHING, imported: 2 });
    const ended = nextState(over, { failure }, NOW + 5);
    expect(ended).toEqual({
      finished: {
        ...NOTHING,
        pages: 1,
        imported: 2,
        skipped: 0,
        skippedUids: [],
        startedAt: NOW,
        endedAt: NOW + 5,
      },
      failure,
    });
    expect(nextState(sweep, ended, NOW)).toEqual({ ...ended, running: sweep });
  });
});
