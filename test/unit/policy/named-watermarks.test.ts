import { describe, expect, it } from "vitest";
import { combineDocuments } from "../../../src/core/policy/rules/combine-documents.ts";
import { namedWatermarks } from "../../../src/core/policy/rules/named-watermarks.ts";
import { parsePolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import { narrow } from "../../../src/core/policy/rules/policy.ts";
import { STREAM_BOUNDS, policyOf } from "../../support/policy-fixtures.ts";

const withRule = (watermark: unknown) => ({ metadata: { watermark } });

describe("namedWatermarks", () => {
  it.each<[rule: object, uids: string[]]>([
    [{ force: "w1" }, ["w1"]],
    [{ default: "w1", oneOf: ["w2", "w1"] }, ["w1", "w2"]],
    [{ deny: true }, []],
    [{ pattern: "w[0-9]" }, []],
  ])("names of %j %j", (rule, uids) => {
    expect(namedWatermarks([policyOf(withRule(rule))])).toEqual(uids);
  });

  it("names none without a rule, and those of every document", () => {
    expect(namedWatermarks([policyOf({})])).toEqual([]);
    const grant = policyOf(withRule({ force: "w2" }), "grant");
    expect(namedWatermarks(narrow([policyOf(withRule({ oneOf: ["w1", "w2"] }))], grant))).toEqual(["w1", "w2"]);
  });

  it("names those of a plan unless the tenant removes or replaces its rule", () => {
    const plan = policyOf(withRule({ force: "w1" }), "plan");
    const of = (own: object) => {
      const read = parsePolicy(own, "policy", undefined, true);
      if (!read.ok) throw new Error(read.problem.detail);
      return namedWatermarks([combineDocuments(plan, read.value, STREAM_BOUNDS)]);
    };
    expect([of({}), of(withRule({ force: "w2" })), of(withRule(null))]).toEqual([["w1"], ["w2"], []]);
  });
});
