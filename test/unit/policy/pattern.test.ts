import { describe, expect, it } from "vitest";
import { compilePattern } from "../../../src/core/policy/rules/pattern.ts";

describe("compilePattern", () => {
  it.each([
    ["p[0-9]+", "p12", "xp12"],
    ["cat|dog", "dog", "dogs"],
    ["[a-z]+(?:-[0-9]+)?", "a-1", "a-"],
    ["(?:foo|bar)-[a-z]+-[0-9]+", "foo-a-1", "baz-a-1"],
    ["\\d{4}-\\d{2}-\\d{2}", "2026-11-22", "2026-11-2"],
    ["[)*(?<]+\\)\\*", "(*)*", "()"],
    [".+?", "a", ""],
    ["\\p{L}{1,3}", "äöü", "a1"],
    ["a{100}", "a".repeat(100), "a".repeat(99)],
    ["a{0,100}b", "b", "a"],
    // In NFD, as macOS writes it: only in NFC is it a range, a whole letter that repeats.
    ["[a\u0300-u\u0308]+", "\u00ea\u00e8", "\u0301"],
    ["e\u0301{2}", "\u00e9\u00e9", "e\u0301\u0301"],
    ["[^e\u0301]", "e", "\u00e9"],
    // In NFC, the escape would be of the letter with its accent.
    ["\\w\u0301", "w\u0301", "w"],
    // At the limits: 200 characters, and 100,000 ways.
    ["a".repeat(200), "a".repeat(200), "a".repeat(199)],
    ["a{1,10}".repeat(5), "a".repeat(50), "a".repeat(51)],
    // Groups count on their own: 1,024 and 4,097 ways.
    [`${"a?".repeat(10)}(b)`, "b", "c"],
    [`${"a?".repeat(12)}|(b)(c)`, "bc", "b"],
    [`${"a?".repeat(12)}|(?:b)(?:c)`, "bc", "b"],
    // Alternatives add up: 2,048 ways.
    [`${"a?".repeat(10)}|${"b?".repeat(10)}`, "bb", "ab"],
  ])("compiles %s, which matches the whole value %j and not %j", (source, matching, other) => {
    const pattern = compilePattern(source);
    expect(pattern?.(matching)).toBe(true);
    expect(pattern?.(other)).toBe(false);
  });

  it.each([
    "(a+)+",
    "(?:a|b)*",
    "(?i:a+)+",
    "(a|a)".repeat(20),
    "(|a)".repeat(20),
    "(?:a|(?:a|a))?".repeat(14),
    `${"a?".repeat(30)}${"a".repeat(30)}`,
    ".*.*.*",
    ".*.*.{0,100}",
    "a{0,100}".repeat(3),
    "a{1,}".repeat(3),
    "a{0,1}".repeat(17),
    "(a?a?)".repeat(9),
    "a{101}",
    "a{0,101}",
    "(a)\\1",
    "(?<n>a)",
    "(?=a)a",
    "(?<!a)a",
    "a)|(b",
    "(a",
    "[a",
    "a{2,1}",
    "a".repeat(201),
  ])("returns undefined for %s", (source) => {
    expect(compilePattern(source)).toBeUndefined();
  });

  it("matches no value of more than 200 characters", () => {
    expect(["a".repeat(200), "a".repeat(201)].map((value) => compilePattern("a*")?.(value))).toEqual([true, false]);
  });

  it("matches within the time limit at the maximum number of choices", () => {
    for (const source of [
      "(a|a)".repeat(16),
      ".*.*(a|a)b",
      `${".?".repeat(8)}${".??".repeat(8)}b`,
      "a{0,40}a{0,40}a{0,50}b",
    ])
      for (const value of ["a".repeat(200), "a".repeat(5_000), `${"a".repeat(20)}!`])
        expect(compilePattern(source)?.(value)).toBe(false);
  });
});
