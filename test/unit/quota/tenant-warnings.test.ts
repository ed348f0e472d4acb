import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { parsePolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import { sizeOf } from "../../../src/core/policy/rules/policy-decision.ts";
import type { Limits } from "../../../src/core/quota/rules/limits.ts";
import { tenantWarnings } from "../../../src/core/quota/rules/tenant-warnings.ts";
import { uploadBounds } from "../../../src/core/quota/rules/upload-bounds.ts";
import { unmeetableLimit } from "../../../src/core/quota/rules/unmeetable-limit.ts";
import { limitsDocument } from "../../support/limits-arbitrary.ts";
import { USUAL_MAXIMA } from "../../../src/core/stream/rules/defaults.ts";
import { requestOf } from "../../support/policy-fixtures.ts";

const warn = (policy: object, limits: Limits = {}) => tenantWarnings({ policy, limits });
const duration = (rule: object) => ({ metadata: { maxdurationseconds: rule } });
const DURATION = "/policy/metadata/maxdurationseconds";
const MB = 1_000_000;

const few = fc.integer({ min: 1, max: 9 });
const smallPolicy = fc.record({
  upload: fc.record({ minBytes: few }, { requiredKeys: [] }),
  metadata: fc.record({
    maxdurationseconds: fc.oneof(
      fc.record({ force: few }),
      fc.record({ min: few, max: few, default: few, oneOf: fc.array(few, { minLength: 1 }) }, { requiredKeys: [] }),
    ),
  }),
});

describe("tenantWarnings", () => {
  it.each<
    [policy: object, limits: Limits, pointer: string, code: string, found: number | string, nearest: number | undefined]
  >([
    [{}, { pending: 0 }, "/limits/pending", "limit_zero", 0, undefined],
    [{}, { rate: { creator: 0 } }, "/limits/rate/creator", "limit_zero", 0, undefined],
    [{}, { quota: { day: { bytes: 0 } } }, "/limits/quota/day/bytes", "limit_zero", 0, undefined],
    [duration({ min: 600 }), { storedSeconds: 300 }, "/limits/storedSeconds", "limit_below_policy", 300, 600],
    [duration({ force: 600 }), { storedSeconds: 300 }, "/limits/storedSeconds", "limit_below_policy", 300, 600],
    [duration({ oneOf: [900, 600] }), { storedSeconds: 300 }, "/limits/storedSeconds", "limit_below_policy", 300, 600],
    [
      { upload: { minBytes: 500 * MB } },
      { quota: { month: { bytes: 400 * MB } } },
      "/limits/quota/month/bytes",
      "limit_below_policy",
      400 * MB,
      500 * MB,
    ],
    [duration({ default: 600 }), { storedSeconds: 300 }, `${DURATION}/default`, "default_above_limit", 600, 300],
    [duration({ max: 600 }), { storedSeconds: 300 }, `${DURATION}/max`, "maximum_above_limit", 600, 300],
    [
      { upload: { maxBytes: 500 * MB } },
      { quota: { month: { bytes: 400 * MB } } },
      "/policy/upload/maxBytes",
      "maximum_above_limit",
      500 * MB,
      400 * MB,
    ],
    [
      {},
      { quota: { day: { uploads: 9 }, month: { uploads: 5 } } },
      "/limits/quota/day/uploads",
      "limit_without_effect",
      9,
      5,
    ],
    [{}, { pending: 5, pendingPerCreator: 9 }, "/limits/pendingPerCreator", "limit_without_effect", 9, 5],
    [{ upload: { maxBytes: 10 * MB } }, {}, "/policy/upload/maxBytes", "basic_links_refused", 10 * MB, 200 * MB],
    [{}, { quota: { day: { bytes: 100 * MB } } }, "/limits/quota/day/bytes", "basic_links_refused", 100 * MB, 200 * MB],
    [{ origins: ["https://a", "null"] }, {}, "/policy/origins/1", "null_origin", "null", undefined],
  ])("warns of the policy %j with the limits %j at %s: %s", (policy, limits, pointer, code, found, nearest) => {
    const warnings = warn(policy, limits).filter((warning) => warning.pointer === pointer && warning.code === code);
    expect(warnings).toEqual([
      { pointer, code, detail: expect.stringMatching(/\.$/), found, ...(nearest !== undefined && { nearest }) },
    ]);
  });

  it.each<[policy: object, limits: Limits]>([
    [{}, {}],
    [
      { upload: { maxBytes: 5_000 * MB }, ...duration({ default: 600, max: 3_600 }) },
      {
        pending: 50,
        pendingPerCreator: 5,
        storedSeconds: 3_600_000,
        quota: { month: { bytes: 5e12 }, day: { uploads: 9 } },
      },
    ],
    [{}, { storedSeconds: 600 }],
    [{}, { quota: { day: { uploads: 5 }, month: { uploads: 5 } } }],
  ])("has no warning for the policy %j with the limits %j", (policy, limits) => {
    expect(warn(policy, limits)).toEqual([]);
  });

  it("warns of what a policy that is stored has, and a written one must not have", () => {
    expect(warn({ metadata: { max_duration: { force: "60" }, expiry: { max: "P1D" } } })).toMatchObject([
      {
        pointer: "/policy/metadata/max_duration",
        code: "unknown_metadata_key",
        found: "max_duration",
        nearest: "maxdurationseconds",
      },
      { pointer: "/policy/metadata/expiry/max", code: "setting_without_effect", found: "P1D" },
    ]);
  });

  it("warns of a custom key that is almost Stream's", () => {
    const custom = { requiresignedurl: {}, max_duration_seconds: {}, project: {}, nam: {}, "*": { allow: ["expiri"] } };
    expect(warn({ custom })).toMatchObject([
      {
        pointer: "/policy/custom/requiresignedurl",
        code: "custom_key_like_metadata_key",
        found: "requiresignedurl",
        nearest: "requiresignedurls",
      },
      { pointer: "/policy/custom/max_duration_seconds", nearest: "maxdurationseconds" },
    ]);
  });

  it("warns of a policy that this version cannot read", () => {
    const warning = { pointer: "/policy", code: "policy_unreadable", detail: expect.stringContaining("policy.later") };
    expect(warn({ later: {} })).toEqual([warning]);
  });

  it("warns of a limit below the policy only if it refuses every creation", () => {
    let warned = 0;
    fc.assert(
      fc.property(smallPolicy, limitsDocument, fc.nat(9), fc.nat(9), (json, limits, length, seconds) => {
        const policy = parsePolicy(json, "policy");
        if (!policy.ok) return;
        const warnings = tenantWarnings({ policy: json, limits });
        if (!warnings.some(({ code }) => code === "limit_below_policy")) return;
        const bounds = uploadBounds(USUAL_MAXIMA, limits);
        const request = requestOf(seconds > 0 ? { maxdurationseconds: String(seconds) } : {}, { length, bounds });
        const { result } = applyPolicy([policy.value], request);
        if (!result.ok) return;
        warned++;
        expect(unmeetableLimit(limits, sizeOf(result.value, "acme"), "tus")).toBeDefined();
      }),
      { numRuns: 3_000 },
    );
    expect(warned).toBeGreaterThan(50);
  });
});
