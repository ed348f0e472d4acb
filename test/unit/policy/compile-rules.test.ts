import { describe, expect, it } from "vitest";
import type { Faults } from "../../../src/core/policy/rules/faults.ts";
import { parsePolicy, readPolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import { policyOf } from "../../support/policy-fixtures.ts";

const NOT_A_KEY = "is not one of Stream's keys";
const ELSEWHERE = 'other keys belong under "custom"';

function faultOf(json: object) {
  const parsed = parsePolicy(json, "policy");
  return parsed.ok ? undefined : { key: parsed.problem.key, detail: parsed.problem.detail };
}

function faultsOf(json: object): Faults {
  const faults: Faults = [];
  expect(readPolicy(json, "policy", faults).ok).toBe(true);
  return faults;
}

describe("compileRules", () => {
  it.each([
    ["requiresignedurl", "requiresignedurls"],
    ["requireSignedUrl", "requiresignedurls"],
    ["require_signed_urls", "requiresignedurls"],
    ["max_duration", "maxdurationseconds"],
    ["max-duration-seconds", "maxdurationseconds"],
    ["maxDurationSeconds", "maxdurationseconds"],
    ["duration", "maxdurationseconds"],
    ["allowed_origins", "allowedorigins"],
    ["allowed origins", "allowedorigins"],
    ["origins", "allowedorigins"],
    ["thumbnail", "thumbnailtimestamppct"],
    ["water_mark", "watermark"],
    ["nmae", "name"],
    ["Name", "name"],
    ["scheduled_deletion", "scheduleddeletion"],
    ["expires_at", "expiry"],
  ])("refuses metadata.%s, and names %s", (key, nearest) => {
    expect(faultOf({ metadata: { [key]: {} } })).toEqual({
      key: `policy.metadata.${key}`,
      detail: `policy.metadata.${key}: ${NOT_A_KEY} (nearest: "${nearest}"); ${ELSEWHERE}`,
    });
  });

  it.each(["project", "is_public", "tag", "*", "colour", "", "__proto__"])(
    "refuses metadata.%s, which is like none of Stream's keys",
    (key) => {
      expect(faultOf(JSON.parse(`{"metadata": {"${key}": {}}}`) as object)).toEqual({
        key: `policy.metadata.${key}`,
        detail: `policy.metadata.${key}: ${NOT_A_KEY}; ${ELSEWHERE}`,
      });
    },
  );

  it("names all keys under metadata that are none of Stream's", () => {
    expect(faultOf({ metadata: { name: {}, project: {}, expires: {} } })).toEqual({
      key: "policy.metadata.project",
      detail:
        `policy.metadata.project: ${NOT_A_KEY}; ${ELSEWHERE}; ` +
        `policy.metadata.expires: ${NOT_A_KEY} (nearest: "expiry"); ${ELSEWHERE}`,
    });
  });

  it("reads a custom key under metadata, as version 0.1 stored it, as one of custom", () => {
    const old = { metadata: { max_duration: { force: "60" }, "*": { allow: ["tag"], maxLength: 3 } } };
    expect(faultsOf(old)).toEqual([
      {
        pointer: "/policy/metadata/max_duration",
        code: "unknown_metadata_key",
        detail: `policy.metadata.max_duration: ${NOT_A_KEY} (nearest: "maxdurationseconds"); ${ELSEWHERE}`,
        found: "max_duration",
        nearest: "maxdurationseconds",
      },
      {
        pointer: "/policy/metadata/*",
        code: "unknown_metadata_key",
        detail: `policy.metadata.*: ${NOT_A_KEY}; ${ELSEWHERE}`,
        found: "*",
      },
    ]);
  });

  it.each<[custom: object, key: string, text: string]>([
    [{ name: {} }, "name", "is one of Stream's keys: write policy.metadata.name"],
    [{ requireSignedURLs: {} }, "requireSignedURLs", "write policy.metadata.requiresignedurls"],
    [{ "": {} }, "", "must be a key of at most 64"],
    [{ "a/b": {} }, "a.b", "must be a key of at most 64"],
    [{ ["k".repeat(65)]: {} }, "k".repeat(65), "must be a key of at most 64"],
    [{ sluice: { deny: true } }, "sluice", "is reserved"],
    [{ Sluice: { deny: true } }, "Sluice", "is reserved"],
    [{ grant: {} }, "grant", "is reserved"],
    [{ projectId: {}, projectid: {} }, "projectid", 'is the same key as "projectId"'],
    [{ projectId: {}, "*": { allow: ["PROJECTID"] } }, "*.allow.0", 'is the same key as "projectId"'],
    [{ "*": { allow: ["tag", "Tag"] } }, "*.allow.1", 'is the same key as "tag"'],
    [{ "*": { allow: "project" } }, "*.allow", "Expected Array"],
    [{ "*": { allow: ["a b"] } }, "*.allow.0", "must be a key of at most 64"],
    [{ "*": { allow: ["Grant"] } }, "*.allow.0", "is reserved"],
    [{ "*": { allow: ["Name"] } }, "*.allow.0", "is one of Stream's keys"],
    [{ "*": { pattern: "(a+)+" } }, "*.pattern", "must be a regular expression"],
    [{ "*": { alow: [] } }, "*.alow", 'unknown field (nearest: "allow")'],
    [{ "*": { onViolation: "clamp" } }, "*.onViolation", "Expected"],
    [{ project: { min: 1 } }, "project.min", "unknown field"],
  ])("refuses custom %j at %s", (custom, key, text) => {
    expect(faultOf({ custom })).toEqual({ key: `policy.custom.${key}`, detail: expect.stringContaining(text) });
  });

  it("keeps the spelling of custom keys", () => {
    const custom = { projectId: {}, "*": { allow: ["Tag", "projectId", "tag2"] }, ["K".repeat(64)]: {} };
    const { rules, spellings, customKeys } = policyOf({ custom });
    expect([...rules.keys()]).toEqual(["projectid", "k".repeat(64)]);
    expect(Object.fromEntries(spellings)).toEqual({
      projectid: "projectId",
      tag: "Tag",
      tag2: "tag2",
      ["k".repeat(64)]: "K".repeat(64),
    });
    expect([...(customKeys?.allow ?? [])]).toEqual(["tag", "projectid", "tag2"]);
  });
});
