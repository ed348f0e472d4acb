import { describe, expect, it } from "vitest";
import { applyRules } from "../../support/policy-fixtures.ts";

describe("METADATA_KEYS", () => {
  it.each<[key: string, rule: object | undefined, requested: string | undefined, applied: unknown]>([
    // name
    ["name", undefined, "Cats", "Cats"],
    ["name", undefined, undefined, undefined],
    ["name", { default: "Untitled" }, undefined, "Untitled"],
    ["name", { default: "Untitled" }, "", "Untitled"],
    ["name", { default: "Untitled" }, "Cats", "Cats"],
    ["name", { force: "Fixed" }, "Cats", "Fixed"],
    ["name", { required: true }, undefined, "policy_violation"],
    ["name", { required: true }, "Cats", "Cats"],
    ["name", { deny: true }, "Cats", "policy_violation"],
    ["name", { deny: true, onViolation: "drop" }, "Cats", undefined],
    ["name", { deny: true, onViolation: "drop", default: "Untitled" }, "Cats", "Untitled"],
    ["name", { maxLength: 2 }, "Cats", "policy_violation"],
    ["name", { maxLength: 2, onViolation: "clamp" }, "Cats", "Ca"],
    ["name", { maxLength: 2, onViolation: "clamp" }, "🎬🎬🎬", "🎬🎬"],
    ["name", { maxLength: 2, onViolation: "drop" }, "Cats", undefined],
    ["name", { pattern: "[A-Z][a-z]*" }, "Cats", "Cats"],
    ["name", { pattern: "[A-Z][a-z]*" }, "my Cats", "policy_violation"],
    ["name", { pattern: "[A-Z][a-z]*", onViolation: "clamp" }, "my Cats", "policy_violation"],
    ["name", { oneOf: ["a", "b"] }, "b", "b"],
    ["name", { oneOf: ["a", "b"] }, "c", "policy_violation"],
    // maxdurationseconds
    ["maxdurationseconds", undefined, "60", "60"],
    ["maxdurationseconds", { default: 600, max: 3600 }, undefined, "600"],
    ["maxdurationseconds", { max: 3600 }, undefined, "3600"],
    ["maxdurationseconds", { max: 3600 }, "3600", "3600"],
    ["maxdurationseconds", { max: 3600 }, "3601", "policy_violation"],
    ["maxdurationseconds", { max: 3600, onViolation: "clamp" }, "99999", "3600"],
    ["maxdurationseconds", { min: 60, onViolation: "clamp" }, "5", "60"],
    ["maxdurationseconds", { max: 3600, default: 600, onViolation: "drop" }, "99999", "600"],
    ["maxdurationseconds", { oneOf: [30, 60] }, "30", "30"],
    ["maxdurationseconds", { oneOf: [30, 60] }, "45", "policy_violation"],
    ["maxdurationseconds", { force: 60 }, "3600", "60"],
    ["maxdurationseconds", undefined, "0", "metadata_value_invalid"],
    ["maxdurationseconds", undefined, "36001", "metadata_value_invalid"],
    ["maxdurationseconds", undefined, "1e3", "metadata_value_invalid"],
    ["maxdurationseconds", undefined, "-5", "metadata_value_invalid"],
    ["maxdurationseconds", undefined, "060", "metadata_value_invalid"],
    ["maxdurationseconds", undefined, "60.5", "metadata_value_invalid"],
    ["maxdurationseconds", { onViolation: "drop", default: 60 }, "soon", "60"],
    ["maxdurationseconds", { onViolation: "clamp", max: 60 }, "soon", "metadata_value_invalid"],
    // requiresignedurls: presence means true, whatever the value
    ["requiresignedurls", undefined, "", ""],
    ["requiresignedurls", undefined, "false", ""],
    ["requiresignedurls", undefined, undefined, undefined],
    ["requiresignedurls", { force: true }, undefined, ""],
    ["requiresignedurls", { force: false }, "true", undefined],
    ["requiresignedurls", { default: true }, undefined, ""],
    ["requiresignedurls", { required: true }, undefined, "policy_violation"],
    ["requiresignedurls", { deny: true }, "", "policy_violation"],
    // allowedorigins: absence means anywhere
    ["allowedorigins", undefined, "A.example, b.example,a.example", "a.example,b.example"],
    ["allowedorigins", undefined, "a.example,,b.example,", "a.example,b.example"],
    ["allowedorigins", undefined, "", undefined],
    ["allowedorigins", undefined, "https://a.example", "metadata_value_invalid"],
    ["allowedorigins", undefined, "a.example,https://b.example", "metadata_value_invalid"],
    ["allowedorigins", undefined, "a.example/path", "metadata_value_invalid"],
    ["allowedorigins", undefined, "localhost", "metadata_value_invalid"],
    ["allowedorigins", undefined, ",", "metadata_value_invalid"],
    ["allowedorigins", { within: ["acme.com"] }, " , ", "metadata_value_invalid"],
    ["allowedorigins", { within: ["acme.com"], default: ["acme.com"], onViolation: "drop" }, ",", "acme.com"],
    ["allowedorigins", undefined, "a b", "metadata_value_invalid"],
    ["allowedorigins", undefined, "localhost:3000", "localhost:3000"],
    ["allowedorigins", { default: ["app.acme.com"], within: ["acme.com", "*.acme.com"] }, undefined, "app.acme.com"],
    ["allowedorigins", { within: ["acme.com", "*.acme.com"] }, "acme.com,x.y.acme.com", "acme.com,x.y.acme.com"],
    ["allowedorigins", { within: ["*.acme.com"] }, "*.x.acme.com", "*.x.acme.com"],
    ["allowedorigins", { within: ["*.acme.com"] }, "acme.com", "policy_violation"],
    ["allowedorigins", { within: ["*.acme.com"] }, "evilacme.com", "policy_violation"],
    ["allowedorigins", { within: ["acme.com"] }, "acme.com:8080", "policy_violation"],
    ["allowedorigins", { within: ["x.acme.com"] }, "*.acme.com", "policy_violation"],
    ["allowedorigins", { within: ["acme.com"], onViolation: "clamp" }, "evil.example,acme.com", "acme.com"],
    ["allowedorigins", { within: ["acme.com"], onViolation: "clamp" }, "evil.example", "policy_violation"],
    ["allowedorigins", { within: ["acme.com"] }, undefined, "policy_violation"],
    ["allowedorigins", { within: ["acme.com"] }, "", "policy_violation"],
    ["allowedorigins", { within: ["acme.com"], onViolation: "drop" }, "evil.example", "policy_violation"],
    [
      "allowedorigins",
      { within: ["acme.com"], onViolation: "drop", default: ["acme.com"] },
      "evil.example",
      "acme.com",
    ],
    ["allowedorigins", { force: ["acme.com"] }, "evil.example", "acme.com"],
    // thumbnailtimestamppct
    ["thumbnailtimestamppct", undefined, "0.5", "0.5"],
    ["thumbnailtimestamppct", undefined, ".25", "0.25"],
    ["thumbnailtimestamppct", undefined, "1.000", "1"],
    ["thumbnailtimestamppct", undefined, "0.00000001", "0"],
    ["thumbnailtimestamppct", undefined, "1.1", "metadata_value_invalid"],
    ["thumbnailtimestamppct", undefined, "-0.1", "metadata_value_invalid"],
    ["thumbnailtimestamppct", undefined, "NaN", "metadata_value_invalid"],
    ["thumbnailtimestamppct", { min: 0.2, max: 0.8, onViolation: "clamp" }, "0.9", "0.8"],
    ["thumbnailtimestamppct", { default: 0.5 }, undefined, "0.5"],
    // watermark
    ["watermark", undefined, "w".repeat(32), "w".repeat(32)],
    ["watermark", undefined, "w".repeat(33), "metadata_value_invalid"],
    ["watermark", { oneOf: ["w1"] }, "w2", "policy_violation"],
    ["watermark", { oneOf: ["w1"] }, undefined, undefined],
    ["watermark", { force: "w1" }, "w2", "w1"],
    // scheduleddeletion: absence means never
    ["scheduleddeletion", undefined, undefined, undefined],
    ["scheduleddeletion", { default: "P90D" }, undefined, "2027-02-20T12:00:00Z"],
    // Stream's minimum, and a margin of a minute for the way to Stream
    ["scheduleddeletion", { default: "P30D" }, undefined, "2026-12-22T12:01:00Z"],
    ["scheduleddeletion", { max: "P30D", onViolation: "clamp" }, "2027-02-20T12:00:00Z", "2026-12-22T12:01:00Z"],
    ["scheduleddeletion", { min: "P30D", onViolation: "clamp" }, "2026-12-01T00:00:00Z", "2026-12-22T12:01:00Z"],
    ["scheduleddeletion", { max: "P60D" }, undefined, "policy_violation"],
    ["scheduleddeletion", { max: "P60D", onViolation: "clamp" }, undefined, "2027-01-21T12:00:00Z"],
    ["scheduleddeletion", { min: "P60D", onViolation: "clamp" }, "2026-12-30T00:00:00Z", "2027-01-21T12:00:00Z"],
    ["scheduleddeletion", { max: "P60D" }, "2027-02-20T12:00:00Z", "policy_violation"],
    ["scheduleddeletion", undefined, "2026-12-01T00:00:00Z", "metadata_value_invalid"],
    ["scheduleddeletion", undefined, "2036-12-01T00:00:00Z", "metadata_value_invalid"],
    ["scheduleddeletion", undefined, "2027-02-30T00:00:00Z", "metadata_value_invalid"],
    ["scheduleddeletion", undefined, "2027-02-20", "metadata_value_invalid"],
    // expiry
    ["expiry", undefined, "2026-11-22T13:00:00Z", "2026-11-22T13:00:00Z"],
    ["expiry", undefined, "2026-11-22T14:00:00.5+01:00", "2026-11-22T13:00:00Z"],
    ["expiry", undefined, "2026-11-22T12:01:59Z", "metadata_value_invalid"],
    ["expiry", undefined, "2026-11-22T18:00:01Z", "metadata_value_invalid"],
    ["expiry", undefined, "tomorrow", "metadata_value_invalid"],
    ["expiry", { max: "PT1H" }, "2026-11-22T14:00:00Z", "policy_violation"],
    ["expiry", { max: "PT1H", onViolation: "clamp" }, "2026-11-22T14:00:00Z", "2026-11-22T13:00:00Z"],
    ["expiry", { max: "PT10M" }, undefined, "2026-11-22T12:10:00Z"],
    ["expiry", { default: "PT2H" }, undefined, "2026-11-22T14:00:00Z"],
    ["expiry", { force: "PT2H" }, "2026-11-22T13:00:00Z", "2026-11-22T14:00:00Z"],
    ["expiry", { force: "PT2M" }, undefined, "2026-11-22T12:03:00Z"],
  ])("decides %s under the rule %j, requested %j, as %j", (key, rule, requested, applied) => {
    const outcome = applyRules(rule ? { [key]: rule } : {}, requested === undefined ? {} : { [key]: requested });
    const refused = typeof applied === "string" && /^[a-z]+_[a-z_]+$/.test(applied);
    expect(outcome).toEqual(refused ? applied : applied === undefined ? {} : { [key]: applied });
  });

  it("sets the expiry auto to the upload time at 2 Mbit/s, at least 30 minutes and at most 6 hours", () => {
    const auto = { expiry: { default: "auto" } };
    expect(applyRules(auto, {}, { length: 450_000_000 })).toEqual({});
    expect(applyRules(auto, {}, { length: 450_000_001 })).toEqual({ expiry: "2026-11-22T12:30:01Z" });
    expect(applyRules(auto, {}, { length: 30_000_000_000 })).toEqual({ expiry: "2026-11-22T18:00:00Z" });
  });
});
