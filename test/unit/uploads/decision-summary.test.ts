import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { summarizeDecision } from "../../../src/core/uploads/rules/decision-summary.ts";
import { NOON, policyOf, STREAM_BOUNDS } from "../../support/policy-fixtures.ts";

describe("summarizeDecision", () => {
  it("returns the outcome of each known key, without values", () => {
    const summary = summarizeDecision([
      { key: "maxdurationseconds", outcome: "clamped", requested: "7200", applied: "3600", rule: "policy.metadata" },
      { key: "length", outcome: "accepted", requested: "5", applied: "5" },
      { key: "origin", outcome: "refused", requested: "https://evil.example" },
    ]);
    expect(summary).toEqual({ maxdurationseconds: "clamped", length: "accepted", origin: "refused" });
  });

  it("leaves out absent keys and custom keys", () => {
    const summary = summarizeDecision([
      { key: "watermark", outcome: "absent" },
      { key: "my-secret-project", outcome: "dropped", requested: "x" },
      { key: "name", outcome: "accepted", requested: "Cats", applied: "Cats" },
    ]);
    expect(summary).toEqual({ name: "accepted" });
  });

  it("covers what applyPolicy explains", () => {
    const caller = { tenant: "acme", kind: "api-key" as const };
    const metadata = new Map([
      ["maxdurationseconds", "60"],
      ["project", "p1"],
    ]);
    const { explanations } = applyPolicy([policyOf({})], {
      length: 5,
      metadata,
      caller,
      now: NOON,
      bounds: STREAM_BOUNDS,
    });
    expect(summarizeDecision(explanations)).toMatchObject({ length: "accepted", maxdurationseconds: "accepted" });
    expect(summarizeDecision(explanations)).not.toHaveProperty("project");
  });
});
