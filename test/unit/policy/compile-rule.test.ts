import { describe, expect, it } from "vitest";
import { USUAL_MAXIMA } from "../../../src/core/stream/rules/defaults.ts";
import type { Faults } from "../../../src/core/policy/rules/faults.ts";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { parsePolicy, readPolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import { NOON, STREAM_BOUNDS } from "../../support/policy-fixtures.ts";

const REQUEST = { length: 1, caller: { tenant: "acme", kind: "api-key" }, now: NOON, bounds: STREAM_BOUNDS } as const;

function faultOf(metadata: object) {
  const parsed = parsePolicy({ metadata }, "policy");
  return parsed.ok ? undefined : { key: parsed.problem.key, detail: parsed.problem.detail };
}

describe("compileRule", () => {
  it.each<[metadata: object, key: string, text: string]>([
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
    [{ name: { onViolaton: "drop" } }, "policy.metadata.name.onViolaton", 'unknown field (nearest: "onViolation")'],
    [
      { expiry: { max: "PT1M" } },
      "policy.metadata.expiry.max",
      `must be at least PT2M after the creation, Stream's min (found: "PT1M")`,
    ],
    [
      { name: { oneOf: ["a", "b"], default: "c" } },
      "policy.metadata.name.default",
      "must be one of a, b, the rule's oneOf",
    ],
  ])("refuses %j at %s", (metadata, key, text) => {
    expect(faultOf(metadata)).toEqual({ key, detail: expect.stringContaining(text) });
    expect(faultOf(metadata)?.detail.startsWith(`${key}: `)).toBe(true);
  });

  it.each<[metadata: object, verb: string, text: string]>([
    [{ expiry: { max: "P1D" } }, "max", `must be at most PT6H after the creation, Stream's max (found: "P1D")`],
    [{ expiry: { min: "PT1M" } }, "min", `must be at least PT2M after the creation, Stream's min (found: "PT1M")`],
    [
      { scheduleddeletion: { max: "P4Y" } },
      "max",
      `must be at most P1096D after the creation, Stream's max (found: "P4Y")`,
    ],
    [
      { scheduleddeletion: { min: "P29D" } },
      "min",
      `must be at least P30D after the creation, Stream's min (found: "P29D")`,
    ],
    [
      { watermark: { maxLength: 33 } },
      "maxLength",
      "must be at most 32 characters long, Stream's maxLength (found: 33)",
    ],
    [
      { watermark: { oneOf: ["w1", "w".repeat(33)] } },
      "oneOf",
      `must be at most 32 characters long, Stream's maxLength (found: "${"w".repeat(33)}")`,
    ],
    [{ maxdurationseconds: { oneOf: [10, 20], min: 30 } }, "oneOf", "has no value that the rule's other bounds allow"],
    [{ name: { oneOf: ["abc"], maxLength: 2 } }, "oneOf", "has no value that the rule's other bounds allow"],
  ])("refuses what has no effect where it is written, and reads it where it is stored: %j", (metadata, verb, text) => {
    const [key = ""] = Object.keys(metadata);
    const path = `policy.metadata.${key}.${verb}`;
    expect(faultOf(metadata)).toEqual({ key: path, detail: `${path}: ${text}` });
    const faults: Faults = [];
    expect(readPolicy({ metadata }, "policy", faults).ok).toBe(true);
    expect(faults).toMatchObject([
      { pointer: `/policy/metadata/${key}/${verb}`, code: "setting_without_effect", detail: `${path}: ${text}` },
    ]);
  });

  it.each(["force", "default", "min", "max", "oneOf"])("bounds %s by what the Stream account takes", (verb) => {
    const document = { metadata: { maxdurationseconds: { [verb]: verb === "oneOf" ? [1, 36_001] : 36_001 } } };
    const path = `policy.metadata.maxdurationseconds.${verb}`;
    expect(parsePolicy(document, "policy", USUAL_MAXIMA)).toMatchObject({
      ok: false,
      problem: { key: path, detail: `${path}: must be at most 36000, Stream's max (found: 36001)` },
    });
    expect(parsePolicy(document, "policy", { ...USUAL_MAXIMA, maxVideoSeconds: 36_001 }).ok).toBe(true);
    // A stored document is read without its account.
    expect(readPolicy(document, "policy").ok).toBe(true);
  });

  it.each([
    { name: { deny: true, default: "a" } },
    { name: { default: "a", oneOf: ["a", "b"] } },
    { watermark: { maxLength: 32, oneOf: ["w".repeat(32)] } },
    // The time that auto stands for adapts to the maximum.
    { expiry: { default: "auto", max: "PT10M" } },
  ])("accepts %j", (metadata) => {
    expect(faultOf(metadata)).toBeUndefined();
  });

  it.each<[rule: object, sent: string | undefined]>([
    [{ force: "Cafe\u0301", pattern: ".{5}" }, "Caf\u00e9"],
    [{ default: "Cafe\u0301", pattern: "Cafe\\u0301" }, "Caf\u00e9"],
    [{ force: "be\u0301\u0301", pattern: "[a-e\u0301]+" }, "b\u00e9\u0301"],
    [{ force: "a\u0007", pattern: "a[\\u0000-\\u001f]" }, "a"],
    [{ default: "\u202eab", pattern: "...", maxLength: 3, onViolation: "clamp" }, "ab"],
    [{ force: `x${"\u0301".repeat(35)}`, maxLength: 36 }, `x${"\u0301".repeat(30)}\u034f${"\u0301".repeat(5)}`],
    [{ default: "\u1112\u1161\u11ab", pattern: "[\u1100-\u11ff]{3}" }, "\ud55c"],
    [{ force: "w\u0301e\u0301", pattern: "\\w\u0301e\u0301" }, "\u1e83\u00e9"],
  ])("reads a stored rule whose own text fits it only before normalisation: %j", (rule, sent) => {
    for (const member of ["metadata", "custom"]) {
      const json = { [member]: { title: rule } };
      const faults: Faults = [];
      const read = readPolicy(json, "policy", faults);
      if (!read.ok) throw new Error(read.problem.detail);
      const { result } = applyPolicy([read.value], { ...REQUEST, metadata: new Map() });
      expect(result.ok && result.value.metadata.get("title")).toBe(sent);
      expect(faults.at(-1)).toMatchObject({ pointer: expect.stringContaining(`/policy/${member}/title/`) });
      expect(parsePolicy(json, "policy")).toMatchObject({ ok: false, problem: { code: "body_invalid" } });
    }
  });
});
