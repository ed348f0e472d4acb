import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { narrow } from "../../../src/core/policy/rules/policy.ts";
import { documentOf, policyOf, requestOf } from "../../support/policy-fixtures.ts";

describe("narrow", () => {
  const apply = (policy: object, grant: object, metadata: Record<string, string>) => {
    const { result } = applyPolicy(narrow([policyOf(policy)], policyOf(grant, "grant")), requestOf(metadata));
    return result.ok ? Object.fromEntries(result.value.metadata) : result.problem.code;
  };
  const rules = documentOf;

  it("narrows the tenant's bounds and never widens them", () => {
    const tenant = rules({ maxdurationseconds: { default: 600, max: 3600 } });
    expect(apply(tenant, rules({ maxdurationseconds: { max: 60 } }), {})).toMatchObject({ maxdurationseconds: "60" });
    expect(apply(tenant, rules({ maxdurationseconds: { max: 9000 } }), { maxdurationseconds: "5000" })).toBe(
      "policy_violation",
    );
    expect(apply(tenant, rules({ maxdurationseconds: { default: 1200 } }), {})).toMatchObject({
      maxdurationseconds: "1200",
    });
    expect(apply(tenant, rules({ maxdurationseconds: { force: 60 } }), {})).toMatchObject({ maxdurationseconds: "60" });
  });

  it("refuses a grant that forces what the tenant forbids, or unsets what the tenant sets", () => {
    expect(apply(rules({ maxdurationseconds: { max: 60 } }), rules({ maxdurationseconds: { force: 61 } }), {})).toBe(
      "policy_conflict",
    );
    expect(
      apply(rules({ requiresignedurls: { force: true } }), rules({ requiresignedurls: { force: false } }), {}),
    ).toBe("policy_conflict");
    expect(
      apply(rules({ requiresignedurls: { force: true } }), rules({ requiresignedurls: { deny: true } }), {}),
    ).toEqual(expect.objectContaining({ requiresignedurls: "" }));
    // No client can unset the key, so no grant can.
    const signed = rules({ requiresignedurls: { default: true } });
    expect(apply(signed, rules({ requiresignedurls: { default: false } }), {})).toEqual(
      expect.objectContaining({ requiresignedurls: "" }),
    );
    expect(apply(signed, rules({ requiresignedurls: { force: false } }), {})).toBe("policy_conflict");
    const unsigned = rules({ requiresignedurls: { force: false } });
    expect(apply(unsigned, signed, {})).not.toHaveProperty("requiresignedurls");
    expect(apply(rules({ requiresignedurls: { default: false } }), signed, {})).toEqual(
      expect.objectContaining({ requiresignedurls: "" }),
    );
  });

  it("allows a custom key only if tenant and grant both allow it", () => {
    const tenant = rules({ "*": { allow: ["project"] } });
    expect(apply(tenant, rules({ plan: { force: "gold" } }), {})).toBe("policy_conflict");
    expect(apply(tenant, rules({ "*": { allow: ["plan"] } }), { plan: "gold", project: "p" })).toEqual(
      expect.not.objectContaining({ plan: "gold", project: "p" }),
    );
    expect(apply(tenant, rules({ project: { force: "p1" } }), { project: "p2" })).toMatchObject({ project: "p1" });
    expect(apply(tenant, {}, { project: "p" })).toMatchObject({ project: "p" });
    expect(apply(tenant, rules({ project: { maxLength: 5 } }), {})).toEqual(apply({}, {}, {}));
  });

  it("keeps a grant from setting what the tenant denies, and lets a grant deny what the tenant sets", () => {
    const tenant = rules({ maxdurationseconds: { deny: true, default: 600 }, project: { deny: true } });
    expect(apply(tenant, rules({ maxdurationseconds: { force: 36_000 } }), {})).toBe("policy_conflict");
    expect(apply(tenant, rules({ maxdurationseconds: { default: 36_000 } }), {})).toMatchObject({
      maxdurationseconds: "600",
    });
    expect(apply(tenant, rules({ maxdurationseconds: { max: 60 } }), {})).toMatchObject({ maxdurationseconds: "60" });
    expect(apply(tenant, rules({ project: { force: "p" } }), {})).toBe("policy_conflict");
    expect(apply(tenant, rules({ project: { default: "p" } }), {})).not.toHaveProperty("project");
    const open = rules({ name: { default: "Untitled" } });
    expect(apply(open, rules({ name: { deny: true } }), {})).toMatchObject({ name: "Untitled" });
    expect(apply(open, rules({ name: { deny: true, default: "Clip" } }), {})).toMatchObject({ name: "Clip" });
  });

  it("lets a grant require what the tenant leaves open, and refuses contradicting clamps", () => {
    expect(apply({}, rules({ name: { required: true } }), {})).toBe("policy_violation");
    const clash = { onViolation: "clamp" };
    expect(
      apply(
        rules({ maxdurationseconds: { max: 60, ...clash } }),
        rules({ maxdurationseconds: { min: 100, ...clash } }),
        { maxdurationseconds: "80" },
      ),
    ).toBe("policy_conflict");
  });

  it.each([
    ["is bounded by the grant", { maxdurationseconds: { force: 60 } }, { maxdurationseconds: { max: 30 } }],
    [
      "is unset and the grant requires the key",
      { requiresignedurls: { force: false } },
      { requiresignedurls: { required: true } },
    ],
    ["sets a custom key that the grant excludes", { plan: { force: "gold" } }, { "*": {} }],
  ])("refuses if a forced value %s", (_, tenant, grant) => {
    expect(apply(rules(tenant), rules(grant), {})).toBe("policy_conflict");
  });

  it("accepts a grant that requires what the tenant forces", () => {
    const required = rules({ requiresignedurls: { required: true } });
    expect(apply(rules({ requiresignedurls: { force: true } }), required, {})).toMatchObject({ requiresignedurls: "" });
  });

  it.each([
    ["the tenant has no default", {}, { requiresignedurls: { force: false } }],
    ["the tenant has a rule without a default", { requiresignedurls: {} }, { requiresignedurls: { force: false } }],
    [
      "the tenant's default is unset, too",
      { requiresignedurls: { default: false } },
      { requiresignedurls: { force: false } },
    ],
    [
      "only the grant's default is set",
      { requiresignedurls: { force: false } },
      { requiresignedurls: { default: true } },
    ],
  ])("leaves a flag unset if %s", (_, tenant, grant) => {
    expect(apply(rules(tenant), rules(grant), {})).toEqual(apply({}, {}, {}));
  });
});
