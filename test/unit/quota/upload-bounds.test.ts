import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import type { Limits } from "../../../src/core/quota/rules/limits.ts";
import { uploadBounds } from "../../../src/core/quota/rules/upload-bounds.ts";
import { policyOf, requestOf } from "../../support/policy-fixtures.ts";
import { upstreamFixture } from "../../support/upstream-fixture.ts";

function decide(
  limits: Limits,
  account: { readonly maxUploadBytes?: number; readonly maxVideoSeconds?: number } = {},
  policy: object = {},
  metadata: Record<string, string> = {},
  length = 1_000,
) {
  const bounds = uploadBounds(upstreamFixture(account), limits);
  const { result, explanations } = applyPolicy([policyOf(policy)], requestOf(metadata, { bounds, length }));
  return {
    result,
    seconds: result.ok ? result.value.maxDurationSeconds : result.problem.code,
    rule: explanations.find(({ key }) => key === "maxdurationseconds")?.rule,
  };
}

describe("the default of maxdurationseconds", () => {
  it.each<[limits: Limits, seconds: number, rule: string]>([
    [{}, 14_400, "stream.metadata.maxdurationseconds"],
    [{ storedSeconds: 20_000 }, 14_400, "stream.metadata.maxdurationseconds"],
    [{ storedSeconds: 600 }, 600, "limits.storedSeconds"],
    [{ quota: { day: { seconds: 300 } }, storedSeconds: 600 }, 300, "limits.quota.day.seconds"],
    [{ quota: { month: { seconds: 200 }, day: { seconds: 300 } } }, 200, "limits.quota.month.seconds"],
    [{ storedSeconds: 0 }, 1, "limits.storedSeconds"],
  ])("is the smallest of 14,400 and the limits %j: %d", (limits, seconds, rule) => {
    expect(decide(limits)).toMatchObject({ seconds, rule });
  });

  it("is also at most what the account and the policy allow", () => {
    expect(decide({ storedSeconds: 600 }, { maxVideoSeconds: 500 }).seconds).toBe(500);
    const policy = { metadata: { maxdurationseconds: { max: 60 } } };
    expect(decide({ storedSeconds: 600 }, {}, policy).seconds).toBe(60);
  });

  it("does not change what a client or a policy sets", () => {
    const set = { metadata: { maxdurationseconds: { default: 900 } } };
    expect(decide({ storedSeconds: 600 }, {}, set).seconds).toBe(900);
    expect(decide({ storedSeconds: 600 }, {}, {}, { maxdurationseconds: "7200" }).seconds).toBe(7_200);
  });
});

describe("the maxima of the Stream account", () => {
  it("replace Stream's usual ones", () => {
    const raised = { maxVideoSeconds: 86_400, maxUploadBytes: 100_000_000_000 };
    expect(decide({}, {}, {}, { maxdurationseconds: "36001" }).seconds).toBe("metadata_value_invalid");
    expect(decide({}, raised, {}, { maxdurationseconds: "86400" }).seconds).toBe(86_400);
    expect(decide({}, raised, {}, { maxdurationseconds: "86401" }).result).toMatchObject({
      problem: { detail: 'maxdurationseconds must be at most 86400 (requested: "86401").' },
    });
    expect(decide({}, raised, {}, {}, 100_000_000_000).result.ok).toBe(true);
    expect(decide({}, {}, {}, {}, 30_000_000_001).result).toMatchObject({
      problem: {
        code: "upload_too_large",
        detail: 'length must be at most 30000000000 bytes, Stream\'s limit (requested: "30000000001").',
        limit: { name: "stream.length", allowed: 30_000_000_000, requested: 30_000_000_001 },
      },
    });
  });

  it("bound what a policy sets", () => {
    const policy = { metadata: { maxdurationseconds: { default: 50_000, max: 60_000 } } };
    expect(decide({}, {}, policy).seconds).toBe(36_000);
    expect(decide({}, { maxVideoSeconds: 86_400 }, policy).seconds).toBe(50_000);
    expect(decide({}, {}, { metadata: { maxdurationseconds: { force: 50_000 } } }).seconds).toBe("policy_conflict");
  });
});
