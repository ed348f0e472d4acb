import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { applyRules, policyOf, requestOf } from "../../support/policy-fixtures.ts";

describe("decideKey", () => {
  it("applies a default that a bound without a nearest value allows", () => {
    expect(applyRules({ name: { oneOf: ["a", "b"], default: "a" } }, {})).toEqual({ name: "a" });
  });

  it("refuses if no value of a key that is always sent satisfies every rule", () => {
    const { result, explanations } = applyPolicy(
      [policyOf({ metadata: { maxdurationseconds: { oneOf: [30, 60] } } })],
      requestOf(),
    );
    const rule = "policy.metadata.maxdurationseconds";
    expect(result).toMatchObject({ ok: false, problem: { code: "policy_conflict", facts: { rule } } });
    expect(explanations).toContainEqual({ key: "maxdurationseconds", outcome: "refused", requested: undefined, rule });
  });

  it("explains a flag that is unset by default", () => {
    const { explanations } = applyPolicy(
      [policyOf({ metadata: { requiresignedurls: { default: false } } })],
      requestOf(),
    );
    expect(explanations.find(({ key }) => key === "requiresignedurls")).toMatchObject({
      outcome: "defaulted",
      rule: "policy.metadata.requiresignedurls.default",
    });
  });

  it.each<[rules: object, metadata: Record<string, string>, detail: string]>([
    [
      { maxdurationseconds: { max: 3600 } },
      { maxdurationseconds: "7200" },
      'maxdurationseconds must be at most 3600 (requested: "7200").',
    ],
    [{ name: { required: true } }, {}, "name is required."],
    [{ name: { deny: true } }, { name: "Cats" }, 'name cannot be set by the client (requested: "Cats").'],
    [{ name: { oneOf: ["a", "b"] } }, { name: "c" }, 'name must be one of a, b (requested: "c").'],
    [{ name: { pattern: "[a-z]+" } }, { name: "1" }, 'name must match the pattern [a-z]+ (requested: "1").'],
    [{ allowedorigins: { within: ["acme.com"] } }, {}, "allowedorigins is required and must be within acme.com."],
    [{}, { expiry: "soon" }, 'expiry must be an RFC 3339 time such as 2026-11-22T18:30:00Z (requested: "soon").'],
    [
      {},
      { scheduleddeletion: "2026-12-01T00:00:00Z" },
      'scheduleddeletion must be at least P30D from now (requested: "2026-12-01T00:00:00Z").',
    ],
  ])("says what is wrong, found and accepted: %j, %j", (metadataRules, metadata, detail) => {
    const { result } = applyPolicy([policyOf({ metadata: metadataRules })], requestOf(metadata));
    expect(result).toMatchObject({ ok: false, problem: { detail } });
  });
});
