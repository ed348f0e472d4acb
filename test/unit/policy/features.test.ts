import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { combineDocuments } from "../../../src/core/policy/rules/combine-documents.ts";
import { FEATURES, refuseFeature } from "../../../src/core/policy/rules/features.ts";
import { parsePolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import { narrow } from "../../../src/core/policy/rules/policy.ts";
import { STREAM_BOUNDS, policyOf } from "../../support/policy-fixtures.ts";

const allowed = (tenant: object, grant?: object) => {
  const policy = narrow([policyOf(tenant)], grant && policyOf(grant, "grant"));
  return FEATURES.filter((feature) => !refuseFeature(policy, feature));
};

describe("refuseFeature", () => {
  it("allows everything without features, and nothing with an empty list", () => {
    expect(allowed({})).toEqual(FEATURES);
    expect(allowed({ features: [] })).toEqual([]);
  });

  it("says whose list lacks what, and what it has", () => {
    const policy = narrow([policyOf({ features: ["edit", "clip"] })], policyOf({ features: [] }, "grant"));
    expect(refuseFeature(policy, "copy")).toMatchObject({
      code: "feature_not_allowed",
      key: "policy.features",
      detail: "policy.features must have copy (found: edit, clip).",
    });
    expect(refuseFeature(policy, "edit")).toMatchObject({
      key: "grant.features",
      detail: "grant.features must have edit (found: none).",
    });
    const onPlan = combineDocuments(policyOf({ features: ["edit"] }, "plan"), policyOf({}), STREAM_BOUNDS);
    expect(refuseFeature([onPlan], "copy")).toMatchObject({ key: "plan.features" });
  });

  it("allows under two documents what both allow", () => {
    const some = fc.option(fc.subarray([...FEATURES]), { nil: undefined });
    fc.assert(
      fc.property(some, some, (features, byGrant) => {
        const [tenant, grant] = [{ ...(features && { features }) }, { ...(byGrant && { features: byGrant }) }];
        const both = allowed(tenant).filter((feature) => allowed(grant).includes(feature));
        expect(allowed(tenant, grant)).toEqual(both);
      }),
    );
  });
});

describe("parsePolicy, for features", () => {
  it.each<[features: unknown, key: string]>([
    ["edit", "policy.features"],
    [["edit", "edit"], "policy.features"],
    [["delete"], "policy.features.0"],
    [[null], "policy.features.0"],
    [{ edit: true }, "policy.features"],
  ])("refuses %j", (features, key) => {
    expect(parsePolicy({ features }, "policy")).toMatchObject({ problem: { code: "body_invalid", key } });
  });
});
