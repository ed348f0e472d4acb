import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nearestWord } from "../../../src/core/shared/text.ts";

describe("nearestWord", () => {
  it.each([
    ["maxbytes", "maxBytes"],
    ["min_bytes", "minBytes"],
    ["max-byte", "maxBytes"],
    ["fileType", "fileTypes"],
    ["types", "fileTypes"],
    ["size", undefined],
    ["", undefined],
    ["__", undefined],
  ])("takes %j for %j", (word, nearest) => {
    expect(nearestWord(word, ["minBytes", "maxBytes", "fileTypes"])).toBe(nearest);
  });

  it("finds a word whatever its case and its separators, and none among none", () => {
    const name = fc.stringMatching(/^[a-z]{2,20}$/);
    fc.assert(
      fc.property(name, fc.nat(20), fc.constantFrom("_", "-", ""), fc.array(name), (word, at, separator, others) => {
        const written = word.slice(0, at) + separator + word.slice(at).toUpperCase();
        expect(nearestWord(written, [...others, word])).toBe(word);
        expect(nearestWord(written, [])).toBeUndefined();
      }),
    );
  });

  it("takes no long time for a long word", () => {
    const word = "x".repeat(60_000);
    const started = performance.now();
    for (let count = 0; count < 100; count++) nearestWord(word, [word, "maxdurationseconds"]);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
