import { describe, expect, it } from "vitest";
import type { Faults } from "../../../src/core/policy/rules/faults.ts";
import { parsePolicy, readPolicy } from "../../../src/core/policy/rules/parse-policy.ts";

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
    [{ origins: ["https://app.acme.com", "file://server"] }, "policy.origins.1"],
    [{ origins: ["https://a:99999"] }, "policy.origins.0"],
    [{ origins: ["https://a..b"] }, "policy.origins.0"],
    [{ origins: ["https://a", "https://a:443"] }, "policy.origins.1"],
    [{ metadata: { allowedorigins: { within: ["a", "a:99999"] } } }, "policy.metadata.allowedorigins.within.1"],
    [{ metadata: { allowedorigins: { force: ["a:080"] } } }, "policy.metadata.allowedorigins.force.0"],
    [{ metadata: { allowedorigins: { default: ["a..b"] } } }, "policy.metadata.allowedorigins.default.0"],
    [{ upload: { fileTypes: ["video/mp4", "video"] } }, "policy.upload.fileTypes.1"],
    [{ upload: { fileTypes: ["*/*"] } }, "policy.upload.fileTypes.0"],
    [{ upload: { fileTypes: ["video/../image"] } }, "policy.upload.fileTypes.0"],
    [{ upload: { fileTypes: ["video/mp4; codecs=avc1"] } }, "policy.upload.fileTypes.0"],
    [{ upload: { fileTypes: [".MKV"] } }, "policy.upload.fileTypes.0"],
    [{ upload: { fileTypes: ["mkv"] } }, "policy.upload.fileTypes.0"],
    [{ upload: { fileTypes: ["*.mkv"] } }, "policy.upload.fileTypes.0"],
    [{ upload: { fileTypes: [".tar.gz"] } }, "policy.upload.fileTypes.0"],
  ])("refuses %j at %s", (json, key) => {
    expect(parsePolicy(json, "policy")).toMatchObject({ ok: false, problem: { code: "body_invalid", key } });
  });

  it.each([
    [{ metadata: ["name"] }, "policy.metadata: must be an object"] as const,
    [{ custom: null }, "policy.custom: must be an object"] as const,
  ])("says that the keys of %j must be an object", (json, detail) => {
    expect(parsePolicy(json, "policy")).toMatchObject({ ok: false, problem: { detail } });
  });

  it("accepts what a browser or an app shell sends as origin, and extensions as file types", () => {
    const origins = ["capacitor://localhost", "tauri://localhost", "app://-", "null", "http://[::1]:5173"];
    const fileTypes = ["video/*", "application/mxf", "video/x_y", ".mkv", ".m2ts"];
    expect(parsePolicy({ origins, upload: { fileTypes } }, "policy").ok).toBe(true);
  });

  it("reports origins and hosts that do not exist, which version 0.1 accepted, as faults", () => {
    const origins = ["https://a:99999", "https://a..b", "https://a:443", "http://a:80", "https://1.2.3"];
    const allowedorigins = { default: ["a:99999"], within: ["a:99999", "a"] };
    const faults: Faults = [];
    const read = readPolicy({ origins, metadata: { allowedorigins } }, "policy", faults);
    expect(read.ok && read.value.origins).toEqual(origins);
    expect(faults.map(({ pointer, code, found }) => [pointer, code, found])).toEqual([
      ...origins.map((origin, index) => [`/policy/origins/${index}`, "setting_without_effect", origin]),
      ["/policy/metadata/allowedorigins/default/0", "setting_without_effect", "a:99999"],
      ["/policy/metadata/allowedorigins/within/0", "setting_without_effect", "a:99999"],
    ]);
  });

  it("names all faults of a part, and the nearest of the known fields", () => {
    const document = { upload: { minBytes: -1, maxByte: 5 }, creators: { from: "none" }, other: {} };
    expect(parsePolicy(document, "grant")).toMatchObject({
      problem: {
        key: "grant.upload.minBytes",
        detail: expect.stringMatching(
          /^grant\.upload\.minBytes: .*; grant\.upload\.maxByte: unknown field \(nearest: "maxBytes"\); grant\.creators: unknown field \(nearest: "creator"\)/,
        ),
      },
    });
  });

  it("accepts equal bounds of the length, and 64 rules", () => {
    expect(parsePolicy({ upload: { minBytes: 1, maxBytes: 1 }, custom: keys(64) }, "policy").ok).toBe(true);
  });
});

function keys(count: number) {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, {}]));
}
