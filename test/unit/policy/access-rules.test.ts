import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AccessRule, MAX_ACCESS_RULES, narrowAccessRules } from "../../../src/core/policy/rules/access-rules.ts";
import { VIEWERS, any, at, blocks, from, letsIn, rules } from "../../support/access-rules.ts";

describe("narrowAccessRules", () => {
  it.each<[string, AccessRule[], AccessRule[], AccessRule[] | undefined]>([
    ["nothing to nothing", [], [], []],
    ["a list to nothing", [], [from("allow", "DE"), any("block")], [from("allow", "DE"), any("block")]],
    [
      "blocks after blocks",
      [from("block", "US")],
      [at("block", "192.0.2.1")],
      [from("block", "US"), at("block", "192.0.2.1")],
    ],
    [
      "blocks before what allows",
      [at("block", "192.0.2.1"), from("allow", "DE"), any("block")],
      [from("block", "FR")],
      [at("block", "192.0.2.1"), from("block", "FR"), from("allow", "DE"), any("block")],
    ],
    [
      "what allows to what allows: never",
      [from("allow", "DE"), any("block")],
      [at("allow", "192.0.2.1"), any("block")],
      undefined,
    ],
    ["a sixth rule: never", Array.from({ length: 5 }, () => from("block", "US")), [from("block", "FR")], undefined],
  ])("adds %s", (_, first, second, expected) => {
    expect(narrowAccessRules(first, second)).toEqual(expected);
  });

  it("lets in whom both let in, and nobody else", () => {
    let compared = 0;
    fc.assert(
      fc.property(rules, fc.oneof(rules, blocks), (first, second) => {
        const both = narrowAccessRules(first, second);
        if (!both) return;
        compared++;
        expect(both.length).toBeLessThanOrEqual(MAX_ACCESS_RULES);
        for (const viewer of VIEWERS)
          expect(letsIn(both, viewer), JSON.stringify(viewer)).toBe(letsIn(first, viewer) && letsIn(second, viewer));
      }),
      { numRuns: 2_000 },
    );
    expect(compared).toBeGreaterThan(200);
  });

  it("takes every list of blocks that leaves room", () => {
    fc.assert(
      fc.property(rules, blocks, (first, second) => {
        expect(narrowAccessRules(first, second) !== undefined).toBe(first.length + second.length <= MAX_ACCESS_RULES);
      }),
    );
  });
});
