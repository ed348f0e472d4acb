import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { narrow } from "../../../src/core/policy/rules/policy.ts";
import { applyRules, policyOf, requestOf } from "../../support/policy-fixtures.ts";

describe("decideCustomKey", () => {
  it("drops a key that no rule allows", () => {
    expect(applyRules({}, { relativepath: "null", type: "video/mp4", project: "p1" })).toEqual({});
  });

  it("refuses a key if the policy rejects it, except those that uploaders add on their own", () => {
    const rejecting = { "*": { onViolation: "reject" } };
    expect(applyRules(rejecting, { project: "p1" })).toBe("policy_violation");
    expect(applyRules(rejecting, { filename: "a.mp4", filetype: "video/mp4" })).toEqual({ name: "a.mp4" });
    for (const fileType of ["video/mp4", "", "undefined", "null"])
      expect(applyRules(rejecting, { type: fileType, contenttype: fileType, mimetype: fileType })).toEqual({});
    expect(applyRules(rejecting, { type: "trailer" })).toBe("policy_violation");
    expect(applyRules({ "*": { allow: ["type"], onViolation: "reject" } }, { type: "trailer" })).toEqual({
      type: "trailer",
    });
  });

  it("takes the texts of a missing file type for a missing key", () => {
    const rules = { type: { required: true }, "*": { allow: ["filetype"] } };
    expect(applyRules(rules, { type: "trailer", filetype: "undefined" })).toEqual({ type: "trailer" });
    expect(applyRules(rules, { type: "null", filetype: "video/mp4" })).toBe("policy_violation");
  });

  it("accepts a key that * allows by name, within the bounds of *", () => {
    const rules = { "*": { allow: ["project"], maxLength: 3, onViolation: "reject" } };
    expect(applyRules(rules, { project: "p1" })).toEqual({ project: "p1" });
    expect(applyRules(rules, { project: "p1234" })).toBe("policy_violation");
    const pattern = { "*": { allow: ["project"], pattern: "p[0-9]+", onViolation: "reject" } };
    expect(applyRules(pattern, { project: "p1" })).toEqual({ project: "p1" });
    expect(applyRules(pattern, { project: "x1" })).toBe("policy_violation");
  });

  it("applies a rule of the key itself", () => {
    const rules = { project: { required: true, pattern: "p[0-9]+" }, plan: { force: "free" } };
    expect(applyRules(rules, { project: "p12", plan: "gold" })).toEqual({ project: "p12", plan: "free" });
    expect(applyRules(rules, {})).toBe("policy_violation");
    expect(applyRules(rules, { project: "x" })).toBe("policy_violation");
  });

  it("takes an empty value for a value", () => {
    expect(applyRules({ is_public: { required: true } }, { is_public: "" })).toEqual({ is_public: "" });
    expect(applyRules({ "*": { allow: ["is_public"] } }, { is_public: "" })).toEqual({ is_public: "" });
    expect(applyRules({ is_public: { default: "yes" } }, { is_public: "" })).toEqual({ is_public: "" });
    expect(applyRules({ is_public: { deny: true } }, { is_public: "" })).toBe("policy_violation");
    expect(applyRules({ project: { pattern: "p[0-9]+" } }, { project: "" })).toBe("policy_violation");
    expect(applyRules({ "*": { onViolation: "reject" } }, { is_public: "" })).toBe("policy_violation");
    // For Stream's keys, it is none.
    expect(applyRules({ name: { required: true } }, { name: "" })).toBe("policy_violation");
    expect(applyRules({ watermark: { deny: true } }, { watermark: "", expiry: "" })).toEqual({});
  });

  it("never sends Sluice's own keys", () => {
    expect(applyRules({ "*": { allow: ["project"] } }, { sluice: "acme/1", grant: "token" })).toEqual({});
    expect(applyRules({ "*": { onViolation: "reject" } }, { sluice: "acme/1", grant: "token" })).toEqual({});
  });

  it("uses filename as the name if name is absent or empty", () => {
    expect(applyRules({}, { filename: "a.mp4" })).toEqual({ name: "a.mp4" });
    expect(applyRules({}, { filename: "a.mp4", name: "" })).toEqual({ name: "a.mp4" });
    expect(applyRules({}, { filename: "a.mp4", name: "Cats" })).toEqual({ name: "Cats" });
    expect(applyRules({ name: { deny: true, onViolation: "drop" } }, { filename: "a.mp4" })).toEqual({});
  });

  it("sends keys as the policy spells them, however the client does", () => {
    const rules = { projectId: { required: true }, "*": { allow: ["Tag"] }, Plan: { force: "free" } };
    const expected = { projectId: "p1", Tag: "t", Plan: "free" };
    expect(applyRules(rules, { projectid: "p1", tag: "t" })).toEqual(expected);
    const { result, explanations } = applyPolicy([policyOf({ custom: rules })], requestOf({ tag: "t", other: "x" }));
    expect(result).toMatchObject({ problem: { key: "projectId", detail: "projectId is required." } });
    expect(explanations.map(({ key }) => key)).toEqual(expect.arrayContaining(["projectId", "Tag", "Plan", "other"]));
  });

  it("sends a key as the tenant spells it, whatever the grant does", () => {
    const tenant = policyOf({ custom: { "*": { allow: ["projectId", "Tag"] } } });
    const grant = policyOf({ custom: { PROJECTID: { force: "p2" }, "*": { allow: ["TAG"] } } }, "grant");
    const { result } = applyPolicy(narrow([tenant], grant), requestOf({ projectid: "p1", tag: "t" }));
    expect(result.ok && Object.fromEntries(result.value.metadata)).toMatchObject({ projectId: "p2", Tag: "t" });
  });
});
