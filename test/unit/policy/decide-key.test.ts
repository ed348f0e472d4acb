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

  const undecodable = { undecodable: "Q2F0cw" };

  it.each<[string, rules: object, key: string, expected: unknown]>([
    ["of a key that is not allowed is dropped", {}, "relativepath", {}],
    ["of a key that the policy drops is dropped", { name: { deny: true, onViolation: "drop" } }, "name", {}],
    ["of a key that the policy sets is not read", { name: { force: "Dogs" } }, "name", { name: "Dogs" }],
    ["violates no rule, so none drops it", { name: { onViolation: "drop" } }, "name", "upload_metadata_invalid"],
    ["of an unknown key is refused with the key", { "*": { onViolation: "reject" } }, "color", "policy_violation"],
    ["of a key that uploaders add is dropped", { "*": { onViolation: "reject" } }, "filetype", {}],
    ["of a key of Stream is refused", {}, "name", "upload_metadata_invalid"],
    ["of a flag is refused", {}, "requiresignedurls", "upload_metadata_invalid"],
    ["of a missing name's filename is refused", {}, "filename", "upload_metadata_invalid"],
    ["of an allowed key is refused", { "*": { allow: ["project"] } }, "project", "upload_metadata_invalid"],
    ["of a key with a rule is refused", { project: {} }, "project", "upload_metadata_invalid"],
    ["of a required key is refused", { project: { required: true } }, "project", "upload_metadata_invalid"],
  ])("a value that cannot be decoded %s", (_, rules, key, expected) => {
    expect(applyRules(rules, { [key]: undecodable })).toEqual(expected);
  });

  it("does not read the filename if there is a name", () => {
    expect(applyRules({}, { name: "Cats", filename: undecodable })).toEqual({ name: "Cats" });
  });

  it("names the key and quotes the value that cannot be decoded", () => {
    const { result, explanations } = applyPolicy([policyOf({})], requestOf({ name: undecodable, color: undecodable }));
    const detail = 'name must be UTF-8 text in padded base64 (requested: "Q2F0cw").';
    expect(result).toMatchObject({ problem: { code: "upload_metadata_invalid", key: "name", detail } });
    expect(explanations).toContainEqual(
      expect.objectContaining({ key: "color", outcome: "dropped", requested: "Q2F0cw" }),
    );
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
      'scheduleddeletion must be at least P30D after the creation (requested: "2026-12-01T00:00:00Z").',
    ],
  ])("says what is wrong, found and accepted: %j, %j", (metadataRules, metadata, detail) => {
    const { result } = applyPolicy([policyOf({ metadata: metadataRules })], requestOf(metadata));
    expect(result).toMatchObject({ ok: false, problem: { detail } });
  });
});
