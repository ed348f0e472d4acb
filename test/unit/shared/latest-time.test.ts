import { describe, expect, it } from "vitest";
import { LatestTime } from "../../../src/core/shared/latest-time.ts";

describe("LatestTime", () => {
  const watch = (...seen: number[]) => {
    const latest = new LatestTime();
    for (const time of seen) latest.see(time);
    return latest;
  };

  it.each([
    ["goes on", [1_000, 1_030, 5_000], [false, false, false]],
    ["is behind for less than the window", [990, 1_000, 930, 989, 1_000], [false, false, false, false, false]],
    ["is behind for the window", [900, 959, 960, 961], [false, false, true, false]],
    ["goes back again", [900, 500, 559, 560], [false, false, false, true]],
    ["goes back again after a correction", [900, 960, 950, 1_009, 1_010], [false, true, false, false, false]],
    ["catches up in between", [950, 1_000, 950, 1_009, 1_010], [false, false, false, false, false]],
  ])("when the clock %s", (_, times, expected) => {
    const latest = watch(1_000);
    expect(times.map((time) => latest.isCorrected(time, 60))).toEqual(expected);
  });
});
