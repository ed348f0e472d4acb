import { describe, expect, it } from "vitest";
import { decidePendingEdit, decideVideoEdit } from "../../../src/core/policy/rules/decide-edit.ts";
import { decideEditedCreator } from "../../../src/core/policy/rules/edited-creator.ts";
import { NOON, STREAM_BOUNDS, documentOf, policyOf } from "../../support/policy-fixtures.ts";

const DAY = 86_400;
const time = (seconds: number) => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;

interface Video {
  options?: Record<string, string>;
  meta?: Record<string, unknown>;
  /** Seconds since the creation. */
  age?: number;
  clearsMeta?: true;
}

/** What changes at Stream, or the code of the refusal and the key. */
function edit(
  rules: object,
  changes: Record<string, string | null>,
  { options = {}, meta = {}, age = 0, clearsMeta }: Video = {},
) {
  const { result } = decideVideoEdit(
    [policyOf(documentOf(rules))],
    { changes: new Map(Object.entries(changes)), ...(clearsMeta && { clearsMeta }) },
    { created: NOON, length: 1_000, bounds: STREAM_BOUNDS, now: NOON + age },
    new Map(Object.entries(options)),
    meta,
  );
  if (!result.ok) return [result.problem.code, result.problem.key];
  return { ...Object.fromEntries(result.value.options), ...(result.value.meta && { meta: result.value.meta }) };
}

const custom = { "*": { allow: ["project", "color"] } };

describe("decideVideoEdit", () => {
  it("merges meta and returns the whole of it, but the reserved keys", () => {
    const meta = { name: "a", project: "p1", sluice: "acme/1/mac", deep: { own: 1 }, count: 3 };
    expect(edit(custom, { name: "b", color: "red" }, { meta })).toEqual({
      meta: { name: "b", project: "p1", color: "red", deep: { own: 1 }, count: 3 },
    });
    expect(edit(custom, { project: null }, { meta })).toEqual({ meta: { name: "a", deep: { own: 1 }, count: 3 } });
    expect(edit(custom, { project: "p1" }, { meta })).toEqual({});
  });

  it("replaces a key in another case by the policy's spelling", () => {
    const rules = { projectId: { maxLength: 5 } };
    expect(edit(rules, { projectid: "p2" }, { meta: { projectid: "p1", PROJECTID: "p0" } })).toEqual({
      meta: { projectId: "p2" },
    });
  });

  it("drops or refuses a key that the policy does not allow, and never removes one of other systems", () => {
    const meta = { internal: "x" };
    expect(edit({}, { internal: "y" }, { meta })).toEqual({});
    expect(edit({}, { internal: null }, { meta })).toEqual({});
    const strict = { "*": { onViolation: "reject" } };
    expect(edit(strict, { internal: "y" }, { meta })).toEqual(["policy_violation", "internal"]);
    expect(edit(strict, { internal: null }, { meta })).toEqual(["policy_violation", "internal"]);
    expect(edit(strict, { name: "n" }, { meta })).toEqual({ meta: { internal: "x", name: "n" } });
  });

  it("removes with `meta: null` what the caller may set", () => {
    const meta = { name: "a", project: "p1", internal: "x" };
    expect(edit(custom, {}, { meta, clearsMeta: true })).toEqual({ meta: { internal: "x" } });
    expect(edit({ ...custom, name: { deny: true } }, {}, { meta, clearsMeta: true })).toEqual({
      meta: { name: "a", internal: "x" },
    });
  });

  it("decides a removed key like an absent one of a creation: default, required, forced", () => {
    const meta = { name: "a" };
    expect(edit({ name: { default: "Untitled" } }, { name: null }, { meta })).toEqual({ meta: { name: "Untitled" } });
    expect(edit({ name: { required: true } }, { name: null }, { meta })).toEqual(["policy_violation", "name"]);
    const options = { requiresignedurls: "", allowedorigins: "a.acme.com" };
    expect(edit({ requiresignedurls: { force: true } }, { requiresignedurls: null }, { options })).toEqual({});
    expect(edit({ requiresignedurls: { default: true } }, { requiresignedurls: null }, { options })).toEqual({});
    expect(edit({ requiresignedurls: { required: true } }, { requiresignedurls: null }, { options })).toEqual([
      "policy_violation",
      "requiresignedurls",
    ]);
    const within = { allowedorigins: { within: ["*.acme.com"] } };
    expect(edit(within, { allowedorigins: null }, { options })).toEqual(["policy_violation", "allowedorigins"]);
    expect(edit({}, { allowedorigins: null }, { options })).toEqual({ allowedorigins: undefined });
  });

  it("gives an untouched key no default, unless it must not be absent", () => {
    expect(edit({ name: { default: "Untitled" }, scheduleddeletion: { default: "P90D" } }, {})).toEqual({});
    const within = { allowedorigins: { default: ["a.acme.com"], within: ["a.acme.com"] } };
    expect(edit(within, {})).toEqual({ allowedorigins: "a.acme.com" });
  });

  it("corrects an untouched key that the policy forces or clamps, and refuses one that it does not allow", () => {
    const video = { meta: { name: "long name" }, options: { thumbnailtimestamppct: "0.9" } };
    expect(edit({ requiresignedurls: { force: true } }, {}, video)).toEqual({ requiresignedurls: "" });
    expect(edit({ name: { maxLength: 4, onViolation: "clamp" } }, {}, video)).toEqual({ meta: { name: "long" } });
    expect(edit({ thumbnailtimestamppct: { max: 0.5 } }, {}, video)).toEqual([
      "policy_violation",
      "thumbnailtimestamppct",
    ]);
  });

  it("does not count what Stream has as sent by the client", () => {
    const rules = { name: { deny: true, default: "Policy's" } };
    const meta = { name: "Policy's" };
    expect(edit({ ...rules, ...custom }, { color: "red" }, { meta })).toEqual({ meta: { ...meta, color: "red" } });
    expect(edit(rules, { name: "mine" }, { meta })).toEqual(["policy_violation", "name"]);
    expect(edit({ name: { ...rules.name, onViolation: "drop" } }, { name: "mine" }, { meta })).toEqual({});
  });

  it("ignores a value that the policy drops, and keeps what Stream has", () => {
    const rules = { allowedorigins: { within: ["*.acme.com"], onViolation: "drop" } };
    const options = { allowedorigins: "a.acme.com" };
    expect(edit(rules, { allowedorigins: "evil.example" }, { options })).toEqual({});
  });

  it("counts the bounds of a deletion from the creation of the upload, not from the edit", () => {
    const rules = { scheduleddeletion: { max: "P90D" } };
    const at = (days: number) => ({ scheduleddeletion: time(NOON + days * DAY) });
    const options = at(60);
    expect(edit(rules, at(90), { options, age: 50 * DAY })).toEqual(at(90));
    expect(edit(rules, at(91), { options, age: 50 * DAY })).toEqual(["policy_violation", "scheduleddeletion"]);
    expect(edit({}, at(1_096), { age: 900 * DAY })).toEqual(at(1_096));
    expect(edit({}, at(1_097), { age: 900 * DAY })).toEqual(["metadata_value_invalid", "scheduleddeletion"]);
    expect(edit({}, at(29))).toEqual(["metadata_value_invalid", "scheduleddeletion"]);
  });

  it("keeps a deletion that was exactly at a bound by another clock, and sets another one to the second", () => {
    const at = (seconds: number) => ({ scheduleddeletion: time(NOON + 90 * DAY + seconds) });
    for (const rules of [{ max: "P90D" }, { force: "P90D" }, { max: "P90D", onViolation: "clamp" }, { min: "P90D" }])
      for (const seconds of [-60, -1, 0, 1, 60]) {
        const options = at(seconds);
        expect(edit({ scheduleddeletion: rules }, {}, { options })).toEqual({});
        expect(edit({ scheduleddeletion: rules }, at(seconds), { options })).toEqual({});
      }
    expect(edit({ scheduleddeletion: { force: "P90D" } }, {}, { options: at(61) })).toEqual(at(0));
    expect(edit({ scheduleddeletion: { max: "P90D" } }, at(-7), { options: at(-1) })).toEqual(at(-7));
    expect(edit({ scheduleddeletion: { max: "P90D" } }, at(1), { options: at(-1) })).toEqual([
      "policy_violation",
      "scheduleddeletion",
    ]);
  });

  it("refuses a deletion that has passed, whether it is sent or the policy decides it", () => {
    const at = (days: number) => ({ scheduleddeletion: time(NOON + days * DAY) });
    expect(edit({}, at(40), { age: 40 * DAY })).toEqual(["metadata_value_invalid", "scheduleddeletion"]);
    expect(edit({ scheduleddeletion: { force: "P40D" } }, { name: "n" }, { age: 50 * DAY })).toEqual([
      "policy_violation",
      "scheduleddeletion",
    ]);
    expect(edit({ scheduleddeletion: { default: "P40D" } }, { scheduleddeletion: null }, { age: 50 * DAY })).toEqual([
      "policy_violation",
      "scheduleddeletion",
    ]);
    expect(edit({ scheduleddeletion: { default: "P40D" } }, { name: "n" }, { age: 50 * DAY })).toEqual({
      meta: { name: "n" },
    });
  });

  it("bounds meta as a creation does, however many edits add to it", () => {
    const rules = { "*": { allow: Array.from({ length: 70 }, (_, number) => `k${number}`) } };
    const meta = Object.fromEntries(Array.from({ length: 64 }, (_, number) => [`k${number}`, "x"]));
    expect(edit(rules, { k64: "x" }, { meta })).toEqual(["upload_metadata_too_large", "meta"]);
    expect(edit(rules, { k64: "x", k0: null }, { meta })).toMatchObject({ meta: { k64: "x" } });
    expect(edit(rules, { k1: "y".repeat(9_000) }, { meta: { k0: "x".repeat(9_000) } })).toEqual([
      "upload_metadata_too_large",
      "meta",
    ]);
  });

  it("keeps a key named like a member of every object", () => {
    const meta = JSON.parse('{"__proto__": "p", "constructor": "c"}') as Record<string, unknown>;
    expect(edit(custom, { color: "red" }, { meta })).toEqual({
      meta: JSON.parse('{"__proto__": "p", "constructor": "c", "color": "red"}') as object,
    });
  });
});

describe("decidePendingEdit", () => {
  function decide(rules: object, changes: Record<string, string | null>, age = 0) {
    const { result } = decidePendingEdit(
      [policyOf(documentOf(rules))],
      { changes: new Map(Object.entries(changes)) },
      { created: NOON, length: 1_000, bounds: STREAM_BOUNDS, now: NOON + age },
      NOON + 3_601,
    );
    return result.ok ? result.value : [result.problem.code, result.problem.key];
  }

  it("decides duration and expiry as a creation does, from the creation on", () => {
    const rules = { maxdurationseconds: { max: 600, onViolation: "clamp" }, expiry: { max: "PT1H" } };
    expect(decide(rules, { maxdurationseconds: "9000" })).toEqual({ seconds: 600 });
    expect(decide(rules, { expiry: time(NOON + 3_600) }, 3_000)).toEqual({ expires: NOON + 3_600 });
    expect(decide(rules, { expiry: time(NOON + 3_700) }, 3_000)).toEqual(["policy_violation", "expiry"]);
    expect(decide(rules, { expiry: time(NOON + 3_601) })).toEqual({ expires: NOON + 3_601 });
    expect(decide(rules, { expiry: time(NOON + 3_602) })).toEqual(["policy_violation", "expiry"]);
    expect(decide({}, { expiry: time(NOON + 6 * 3_600 + 1) }, 3_000)).toEqual(["metadata_value_invalid", "expiry"]);
    expect(decide({}, { expiry: time(NOON + 600) }, 700)).toEqual(["metadata_value_invalid", "expiry"]);
  });

  it("decides nothing that the edit does not touch, or that the policy drops", () => {
    const rules = { maxdurationseconds: { max: 600, onViolation: "drop" }, expiry: { force: "PT1H" } };
    expect(decide(rules, { name: "n" })).toEqual({});
    expect(decide(rules, { maxdurationseconds: "900" })).toEqual({});
    expect(decide(rules, { expiry: null })).toEqual({ expires: NOON + 3_600 });
  });
});

describe("decideEditedCreator", () => {
  const API_KEY = { tenant: "acme", kind: "api-key" } as const;
  const decide = (creator: object, change: string | null | undefined, current = "old", caller: object = API_KEY) => {
    const result = decideEditedCreator([policyOf({ creator })], change, current, { caller } as never);
    return result.ok ? result.value : result.problem.code;
  };

  it("lets an API key choose what Stream is told where a creation may", () => {
    for (const from of ["caller", "client"]) {
      expect(decide({ from }, "new")).toBe("new");
      expect(decide({ from, prefix: "acme/" }, "new")).toBe("acme/new");
      expect(decide({ from }, null)).toBe("");
      expect(decide({ from }, "old")).toBeUndefined();
      expect(decide({ from }, null, "")).toBeUndefined();
      expect(decide({ from }, undefined)).toBeUndefined();
    }
    expect(decide({}, "ümlaut")).toBe("creator_invalid");
  });

  it("refuses it under any other policy, and to any other caller", () => {
    for (const from of ["tenant", "none"]) expect(decide({ from }, "new")).toBe("policy_violation");
    const person = { namespace: "auth0", subject: "user-1" };
    expect(decide({ from: "client" }, "new", "old", { tenant: "acme", kind: "jwt", person })).toBe("policy_violation");
  });
});
