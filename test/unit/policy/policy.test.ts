import { describe, expect, it } from "vitest";
import { parsePolicy } from "../../../src/core/policy/rules/parse-policy.ts";

describe("parsePolicy", () => {
  it.each([
    { thumbnailtimestamppct: { force: 1e-7 } },
    { thumbnailtimestamppct: { min: 0.123_456_7 } },
    { maxdurationseconds: { max: 60.5 } },
    { scheduleddeletion: { default: "P29D" } },
    { expiry: { force: "PT7H" } },
    { expiry: { max: "PT1M" } },
    { expiry: { min: "PT7H" } },
    { scheduleddeletion: { max: "P10D", onViolation: "clamp" } },
    { maxdurationseconds: { min: 100, max: 50 } },
    { allowedorigins: { default: ["localhost"] } },
    { scheduleddeletion: { default: "auto" } },
  ])("refuses a rule that no value could satisfy: %j", (metadata) => {
    expect(parsePolicy({ metadata }, "policy")).toMatchObject({ ok: false, problem: { code: "body_invalid" } });
  });

  it.each([
    { expiry: { min: "PT2M", max: "PT6H" } },
    { scheduleddeletion: { min: "P30D", max: "P30D" } },
    { maxdurationseconds: { min: 50, max: 50, oneOf: [50, 100] } },
  ])("accepts bounds as wide as Stream's, and bounds that leave a single value: %j", (metadata) => {
    expect(parsePolicy({ metadata }, "policy")).toMatchObject({ ok: true });
  });

  it.each<[json: unknown, key: string]>([
    [null, "policy"],
    [[], "policy"],
    [{ metadata: "name" }, "policy.metadata"],
    [{ metadata: null }, "policy.metadata"],
    [{ metadata: [] }, "policy.metadata"],
    [{ upload: { minBytes: 2, maxBytes: 1 } }, "policy.upload.minBytes"],
    [{ custom: "name" }, "policy.custom"],
    [{ custom: keys(65) }, "policy.custom"],
    [{ creator: { from: "origin" } }, "policy.creator.from"],
    [{ origins: ["app.acme.com"] }, "policy.origins.0"],
  ])("refuses %j at %s", (json, key) => {
    expect(parsePolicy(json, "policy")).toMatchObject({ ok: false, problem: { code: "body_invalid", key } });
  });

  it("accepts equal bounds of the length, and 64 rules", () => {
    expect(parsePolicy({ upload: { minBytes: 1, maxBytes: 1 }, custom: keys(64) }, "policy").ok).toBe(true);
  });
});

function keys(count: number) {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, {}]));
}
