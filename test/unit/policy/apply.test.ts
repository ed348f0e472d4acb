import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { policyOf, requestOf } from "../../support/policy-fixtures.ts";

describe("applyPolicy", () => {
  it("explains for every key what was requested, what was applied, and which rule decided", () => {
    const policy = policyOf({
      metadata: {
        name: { default: "Untitled" },
        maxdurationseconds: { max: 60, onViolation: "clamp" },
        requiresignedurls: { force: true },
        watermark: { oneOf: ["w1"] },
      },
    });
    const { explanations } = applyPolicy(
      [policy],
      requestOf(
        { maxdurationseconds: "90", watermark: "w2", color: "red", allowedorigins: "Acme.com" },
        { creator: "u" },
      ),
    );
    const lines = Object.fromEntries(explanations.map(({ key, ...line }) => [key, line]));
    expect(lines).toMatchObject({
      length: { outcome: "accepted", requested: "1000" },
      name: { outcome: "defaulted", applied: "Untitled", rule: "policy.metadata.name.default" },
      maxdurationseconds: {
        outcome: "clamped",
        requested: "90",
        applied: "60",
        rule: "policy.metadata.maxdurationseconds.max",
      },
      requiresignedurls: { outcome: "forced", applied: "", rule: "policy.metadata.requiresignedurls.force" },
      watermark: { outcome: "refused", requested: "w2", rule: "policy.metadata.watermark.oneOf" },
      expiry: { outcome: "defaulted", rule: "stream.metadata.expiry" },
      color: { outcome: "dropped", requested: "red", rule: "policy.custom.*.allow" },
      allowedorigins: { outcome: "accepted", requested: "Acme.com", applied: "acme.com" },
      creator: { outcome: "accepted", requested: "u", applied: "u" },
      thumbnailtimestamppct: { outcome: "absent" },
    });
  });

  it("explains all keys after a refusal, and returns the first refusal", () => {
    const { result, explanations } = applyPolicy(
      [policyOf({ upload: { maxBytes: 10 }, metadata: { name: { required: true } } })],
      requestOf({ maxdurationseconds: "x" }),
    );
    expect(result).toMatchObject({ ok: false, problem: { code: "upload_too_large" } });
    expect(explanations.filter(({ outcome }) => outcome === "refused").map(({ key }) => key)).toEqual([
      "length",
      "name",
      "maxdurationseconds",
    ]);
  });
});
