import { describe, expect, it } from "vitest";
import { parseDuration } from "../../../src/core/policy/rules/duration.ts";

const [MINUTE, HOUR, DAY] = [60, 3_600, 86_400];

describe("parseDuration", () => {
  it.each([
    ["PT30M", 30 * MINUTE],
    ["P90D", 90 * DAY],
    ["PT0S", 0],
    ["P1Y2M3W4DT5H6M7S", (365 + 60 + 21 + 4) * DAY + 5 * HOUR + 6 * MINUTE + 7],
  ])("parses %s as %d seconds", (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it.each(["", "P", "PT", "P1DT", "1D", "P1", "PD", "P1H", "PT1D", "P1D2W", "P-1D", "P1.5D", "in P1D", "P1D or so"])(
    "returns undefined for %j",
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );
});
