import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maxLength } from "../../../src/core/policy/rules/constraints.ts";
import { applyRules, codeOf, requestOf } from "../../support/policy-fixtures.ts";

const NFD = "Cafe\u0301";
const NFC = "Café";

describe("name", () => {
  it.each<[rule: object]>([
    [{ maxLength: 4, onViolation: "reject" }],
    [{ pattern: "[a-zé]{4}|Café" }],
    [{ pattern: NFD }],
    [{ oneOf: [NFC] }],
    [{ oneOf: [NFD] }],
    [{}],
  ])("is compared and sent in NFC under %j", (rule) => {
    expect(applyRules({ name: rule }, { name: NFD })).toEqual({ name: NFC });
    expect(applyRules({ name: rule }, { filename: NFD })).toEqual({ name: NFC });
    expect(applyRules({ "*": { allow: ["project"] }, project: rule }, { project: NFD })).toEqual({ project: NFC });
  });

  it("is sent in NFC if a policy sets it", () => {
    expect(applyRules({ name: { force: NFD } }, {})).toEqual({ name: NFC });
    expect(applyRules({ name: { default: NFD } }, {})).toEqual({ name: NFC });
  });

  it("has no control characters, which are removed before it is checked", () => {
    const rules = { name: { maxLength: 3, oneOf: ["abc"] } };
    expect(applyRules(rules, { name: "\ta\0b\u202ec\r\n" })).toEqual({ name: "abc" });
  });

  it("is absent if nothing is left of it", () => {
    expect(applyRules({}, { name: "\0\u202e" })).toEqual({});
    expect(applyRules({ name: { required: true } }, { name: "\n" })).toBe("policy_violation");
    expect(applyRules({}, { name: "\n", filename: "a.mp4" })).toEqual({ name: "a.mp4" });
    expect(applyRules({ name: { default: "Untitled" } }, { name: "\n", filename: "\t" })).toEqual({ name: "Untitled" });
  });
});

describe("a custom key", () => {
  it("keeps tab and line feed, and is a value if nothing is left of it", () => {
    const rules = { note: { required: true } };
    expect(applyRules(rules, { note: "a\tb\r\nc\0" })).toEqual({ note: "a\tb\nc" });
    expect(applyRules(rules, { note: "\0" })).toEqual({ note: "" });
  });
});

describe("watermark", () => {
  it("is an identifier, and compared as it was sent", () => {
    expect(applyRules({ watermark: { oneOf: ["w1"] } }, { watermark: "w\x001" })).toBe("policy_violation");
  });
});

describe("maxLength", () => {
  const clamp = (text: string, most: number) =>
    applyRules({ name: { maxLength: most, onViolation: "clamp" } }, { name: text });

  it.each([
    ["abcdef", 3, "abc"],
    ["🎬🎬🎬", 2, "🎬🎬"],
    // Cut before a letter with an accent that NFC cannot join, a family, a flag and a Hangul syllable.
    ["abx\u0301\u0301", 3, "ab"],
    ["a👨‍👩‍👧b", 5, "a"],
    ["a👨‍👩‍👧b", 6, "a👨‍👩‍👧"],
    ["🇩🇪🇫🇷", 3, "🇩🇪"],
    ["a\u1112\u1161\u11ab", 1, "a"],
    // The first cluster alone is longer.
    ["👨‍👩‍👧b", 2, "👨\u200d"],
    ["x\u0301\u0301\u0301", 2, "x\u0301"],
    ["🇩🇪", 1, "🇩"],
  ])("clamps %j to %d code points: %j", (text, most, expected) => {
    expect(clamp(text, most)).toEqual({ name: expected });
  });

  it("counts code points after NFC", () => {
    expect(codeOf({ metadata: { name: { maxLength: 4 } } }, requestOf({ name: NFD }))).toBe("accepted");
    expect(codeOf({ metadata: { name: { maxLength: 3 } } }, requestOf({ name: NFD }))).toBe("policy_violation");
  });

  it("clamps any text to its longest prefix of whole clusters, or else of whole code points", () => {
    const unit = fc.oneof(
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
      fc.constantFrom("\u0301", "\u200d", "👨", "🇩"),
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 30 }), fc.integer({ min: 1, max: 12 }), (units, most) => {
        const text = units.join("");
        const constraint = maxLength(most);
        const context = {
          now: 0,
          length: 0,
          bounds: { maxBytes: 0, maxSeconds: 0, defaultSeconds: 0, defaultRule: "" },
        };
        const clusters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
        let expected = "";
        for (const cluster of clusters) {
          if ([...(expected + cluster)].length > most) break;
          expected += cluster;
        }
        expected ||= [...text].slice(0, most).join("");
        expect(constraint.clamp?.(text, context)).toBe(expected);
        expect(constraint.allows(expected, context)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it("clamps a long text in a bounded time", () => {
    const marks = `a${"\u0301\u034f".repeat(2_000)}`;
    const start = performance.now();
    for (const text of [marks, "👨‍👩‍👧".repeat(600), "🇩".repeat(1_500), "x".repeat(6_000)]) clamp(text, 1_000);
    expect(performance.now() - start).toBeLessThan(300);
  });
});
