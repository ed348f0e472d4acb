import { describe, expect, it } from "vitest";
import { parsePolicy } from "../../../src/core/policy/rules/policy.ts";

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
    { expiry: { min: "PT1M", max: "P1D" } },
    { scheduleddeletion: { min: "P30D", max: "P30D" } },
    { maxdurationseconds: { min: 50, max: 50, oneOf: [50, 100] } },
  ])("accepts bounds wider than Stream's, and bounds that leave a single value: %j", (metadata) => {
    expect(parsePolicy({ metadata }, "policy")).toMatchObject({ ok: true });
  });
});
