import { describe, expect, it } from "vitest";
import { USUAL_MAXIMA } from "../../../src/core/stream/rules/defaults.ts";
import { parsePolicy } from "../../../src/core/policy/rules/policy.ts";

function faultOf(metadata: object) {
  const parsed = parsePolicy({ metadata }, "policy");
  return parsed.ok ? undefined : { key: parsed.problem.key, detail: parsed.problem.detail };
}

describe("compileRule", () => {
  it.each<[metadata: object, key: string, text: string]>([
    [{ Name: {} }, "policy.metadata.Name", "must be a lower-case key"],
    [{ "": {} }, "policy.metadata.", "must be a lower-case key"],
    [{ ["k".repeat(65)]: {} }, `policy.metadata.${"k".repeat(65)}`, "must be a lower-case key"],
    [{ sluice: { deny: true } }, "policy.metadata.sluice", "is reserved"],
    [{ grant: {} }, "policy.metadata.grant", "is reserved"],
    [{ name: "Cats" }, "policy.metadata.name", "Expected Object"],
    [{ name: { max: 5 } }, "policy.metadata.name.max", ""],
    [{ name: { onViolation: "ignore" } }, "policy.metadata.name.onViolation", ""],
    [{ name: { force: "a", default: "a" } }, "policy.metadata.name", "force cannot be combined"],
    [{ name: { force: "a", required: true } }, "policy.metadata.name", "force cannot be combined"],
    [{ name: { force: "a", deny: true } }, "policy.metadata.name", "force cannot be combined"],
    [{ name: { required: true, default: "a" } }, "policy.metadata.name", "required cannot be combined"],
    [{ name: { required: true, deny: true } }, "policy.metadata.name", "required cannot be combined"],
    [{ name: { pattern: "(a+)+" } }, "policy.metadata.name.pattern", "must be a regular expression"],
    [
      { maxdurationseconds: { min: 100, max: 50 } },
      "policy.metadata.maxdurationseconds.min",
      "must be at most 50, the rule's max (found: 100)",
    ],
    [
      { expiry: { max: "PT1M" } },
      "policy.metadata.expiry.max",
      `must be at least PT2M from now, Stream's min (found: "PT1M")`,
    ],
    [
      { name: { oneOf: ["a", "b"], default: "c" } },
      "policy.metadata.name.default",
      "must be one of a, b, the rule's oneOf",
    ],
    [{ "*": { allow: "project" } }, "policy.metadata.*.allow", ""],
    [{ "*": { allow: ["Project"] } }, "policy.metadata.*.allow.0", "must be a lower-case key"],
    [{ "*": { allow: ["grant"] } }, "policy.metadata.*.allow.0", "is reserved"],
    [{ "*": { pattern: "(a+)+" } }, "policy.metadata.*.pattern", "must be a regular expression"],
  ])("refuses %j at %s", (metadata, key, text) => {
    expect(faultOf(metadata)).toEqual({ key, detail: expect.stringContaining(text) });
    expect(faultOf(metadata)?.detail.startsWith(`${key}: `)).toBe(true);
  });

  it.each(["force", "default", "min", "max", "oneOf"])("bounds %s by what the Stream account takes", (verb) => {
    const document = { metadata: { maxdurationseconds: { [verb]: verb === "oneOf" ? [1, 36_001] : 36_001 } } };
    const path = `policy.metadata.maxdurationseconds.${verb}`;
    expect(parsePolicy(document, "policy", USUAL_MAXIMA)).toMatchObject({
      ok: false,
      problem: { key: path, detail: `${path}: must be at most 36000, Stream's maximum (found: 36001)` },
    });
    expect(parsePolicy(document, "policy", { ...USUAL_MAXIMA, maxVideoSeconds: 36_001 }).ok).toBe(true);
    // A stored document is read without its account.
    expect(parsePolicy(document, "policy").ok).toBe(true);
  });

  it.each([
    { ["k".repeat(64)]: {} },
    { name: { deny: true, default: "a" } },
    { name: { default: "a", oneOf: ["a", "b"] } },
    // The time that auto stands for adapts to the maximum.
    { expiry: { default: "auto", max: "PT10M" } },
    { "*": {} },
  ])("accepts %j", (metadata) => {
    expect(faultOf(metadata)).toBeUndefined();
  });
});
