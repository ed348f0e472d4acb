import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normalizeCustomText, normalizeName } from "../../../src/core/policy/rules/normalize-text.ts";

const NAMES = [
  ["a name in NFD, as macOS sends it", "Cafe\u0301.mov", "Café.mov"],
  ["marks in another order", "a\u0301\u0323", "ạ\u0301"],
  ["Hangul in parts", "\u1112\u1161\u11ab", "한"],
  ["C0, DEL and C1", "a\0b\u001f\u007fc\u0080\u009fd", "abcd"],
  ["marks that embed or override the direction", "cats\u202a\u202b\u202c\u202d\u202e4pm.exe", "cats4pm.exe"],
  ["what a removed character kept apart", "e\0\u0301", "é"],
  ["a family, a flag and a right-to-left mark", "👨‍👩‍👧🇩🇪\u200f", "👨‍👩‍👧🇩🇪\u200f"],
] as const;

describe("normalizeName", () => {
  it.each([...NAMES, ["tab and line breaks", "a\tb\r\nc", "abc"] as const])("normalizes %s", (_, text, expected) => {
    expect(normalizeName(text)).toBe(expected);
  });
});

describe("normalizeCustomText", () => {
  it.each([...NAMES, ["line breaks", "a\tb\r\nc", "a\tb\nc"] as const])("normalizes %s", (_, text, expected) => {
    expect(normalizeCustomText(text)).toBe(expected);
  });
});

describe.each([normalizeName, normalizeCustomText])("%o", (normalize) => {
  it("returns NFC without control characters, and the same for what it returned", () => {
    const mark = fc.constantFrom("\u0301", "\u0323", "\u0334", "\u034f", "\u{1d165}", "\u0344");
    const unit = fc.oneof(fc.string({ unit: "binary", minLength: 1, maxLength: 1 }), mark, mark, mark);
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 200 }), (units) => {
        const text = normalize(units.join(""));
        expect(text).toBe(text.normalize("NFC"));
        // oxlint-disable-next-line no-control-regex -- these must be gone
        expect(text).not.toMatch(/[\0-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
        expect(normalize(text)).toBe(text);
      }),
      { numRuns: 2_000 },
    );
  });

  it("changes no text with up to 30 marks on a letter", () => {
    const text = `a${"\u0334".repeat(30)}b`;
    expect(normalize(text)).toBe(text);
  });

  it("normalizes the longest texts in a bounded time", () => {
    // Sorted by themselves, these 6,000 marks take 100 ms.
    const marks = ["\u0345", "\u0301", "\u0323", "\u0327", "\u05b0", "\u0334"];
    const longest = `a${marks.map((mark) => mark.repeat(1_000)).join("")}`;
    const start = performance.now();
    for (let run = 0; run < 10; run++) normalize(longest);
    expect(performance.now() - start).toBeLessThan(300);
  });
});
