import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { combineDocuments, combineJson } from "../../../src/core/policy/rules/combine-documents.ts";
import { parsePolicy, readPolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import { type PolicyDocument, narrow } from "../../../src/core/policy/rules/policy.ts";
import { documents, policyRequest } from "../../support/policy-arbitraries.ts";
import { STREAM_BOUNDS, codeOf, policyOf, requestOf } from "../../support/policy-fixtures.ts";

const combine = (plan: object, own: object) => combineDocuments(policyOf(plan, "plan"), ownOf(own), STREAM_BOUNDS);
const apply = (document: PolicyDocument, request = requestOf()) => applyPolicy([document], request);

/** Explanations and problems without what tells a plan from a tenant. */
const withoutSource = (value: unknown) => JSON.stringify(value).replaceAll('"plan.', '"policy.');

describe("combineDocuments", () => {
  it.each<[what: string, plan: object, own: object, json: object]>([
    ["keeps a plan that the tenant adds nothing to", { upload: { maxBytes: 5 } }, {}, { upload: { maxBytes: 5 } }],
    [
      "replaces each member of upload alone",
      { upload: { minBytes: 1, maxBytes: 5, fileTypes: ["video/*"] } },
      { upload: { maxBytes: 9 } },
      { upload: { minBytes: 1, maxBytes: 9, fileTypes: ["video/*"] } },
    ],
    [
      "replaces a list of file types whole",
      { upload: { fileTypes: ["video/*", "audio/*"] } },
      { upload: { fileTypes: [".mkv"] } },
      { upload: { fileTypes: [".mkv"] } },
    ],
    [
      "replaces a key of metadata whole",
      { metadata: { name: { maxLength: 9, required: true }, watermark: { deny: true } } },
      { metadata: { name: { maxLength: 5 } } },
      { metadata: { name: { maxLength: 5 }, watermark: { deny: true } } },
    ],
    [
      "takes spellings of a custom key for one key, in the tenant's spelling",
      { custom: { Project: { required: true } } },
      { custom: { project: { maxLength: 5 } } },
      { custom: { project: { maxLength: 5 } } },
    ],
    [
      "replaces the rule for other custom keys whole",
      { custom: { "*": { allow: ["color"], onViolation: "reject" } } },
      { custom: { "*": { allow: ["size"] } } },
      { custom: { "*": { allow: ["size"] } } },
    ],
    [
      "replaces the creator",
      { creator: { from: "tenant" } },
      { creator: { from: "none" } },
      { creator: { from: "none" } },
    ],
    [
      "replaces the origins whole",
      { origins: ["https://a.example"] },
      { origins: ["https://b.example"] },
      { origins: ["https://b.example"] },
    ],
    [
      "replaces the features whole, also with none",
      { features: ["playback", "edit"] },
      { features: [] },
      { features: [] },
    ],
    [
      "replaces each member of playback alone",
      { playback: { maxSeconds: 60, downloadable: true, accessRules: [{ type: "any", action: "block" }] } },
      { playback: { maxSeconds: 600, accessRules: [] } },
      { playback: { maxSeconds: 600, downloadable: true, accessRules: [] } },
    ],
    [
      "removes what is null",
      {
        upload: { maxBytes: 5, fileTypes: ["video/*"] },
        metadata: { name: { required: true } },
        custom: { Color: {}, "*": { allow: ["size"] } },
        creator: { from: "none" },
        origins: [],
        features: [],
        playback: { maxSeconds: 60, downloadable: true },
      },
      {
        upload: { maxBytes: null, fileTypes: null },
        metadata: { name: null },
        custom: { color: null, "*": null },
        creator: null,
        origins: null,
        features: null,
        playback: { maxSeconds: null, downloadable: null, accessRules: null },
      },
      {},
    ],
    ["removes what the plan does not have", {}, { upload: { minBytes: null }, metadata: { name: null } }, {}],
  ])("%s", (_, plan, own, json) => {
    const combined = combine(plan, own);
    expect(combined.json).toEqual(json);
    const { json: _json, inherited: _inherited, ...same } = combined;
    // Functions are compared by what they do: see the property below.
    expect(JSON.stringify(same)).toBe(withoutSource(same));
    expect(new Set(combined.rules.keys())).toEqual(new Set(policyOf(json).rules.keys()));
    const { spellings, features, playback } = policyOf(json);
    expect(combined).toMatchObject({ spellings, playback });
    expect([combined.features, combined.playback]).toEqual([features, playback]);
  });

  it("replaces a custom key that version 0.1 stored under metadata", () => {
    const read = readPolicy({ metadata: { Project: { required: true } } }, "plan");
    if (!read.ok) throw new Error(read.problem.detail);
    const combined = combineDocuments(read.value, ownOf({ custom: { project: null } }), STREAM_BOUNDS);
    expect([combined.json, combined.rules.size]).toEqual([{}, 0]);
  });

  it("has paths that tell the plan's rules from the tenant's", () => {
    const plan = {
      upload: { minBytes: 2_000, maxBytes: 5_000, fileTypes: ["video/*"] },
      metadata: { watermark: { deny: true } },
      custom: { "*": { allow: ["size"], onViolation: "reject" } },
      creator: { from: "tenant" },
      origins: ["https://a.example"],
    };
    const rulesOf = (own: object) => {
      const request = requestOf(
        { watermark: "w", name: "long", color: "red", filetype: "text/html" },
        { origin: "https://evil.example", creator: "someone" },
      );
      const explanations = apply(combine(plan, own), request).explanations;
      // The first line of a key: a file type is a custom key, too.
      const lines = explanations.toReversed();
      return Object.fromEntries(lines.map(({ key, rule }) => [key, rule]));
    };
    expect(rulesOf({ metadata: { name: { maxLength: 2 } } })).toMatchObject({
      length: "plan.upload.minBytes",
      filetype: "plan.upload.fileTypes",
      creator: "plan.creator.from",
      origin: "plan.origins",
      watermark: "plan.metadata.watermark.deny",
      name: "policy.metadata.name.maxLength",
      color: "plan.custom.*.allow",
    });
    const own = { ...plan, upload: { minBytes: 2_000, fileTypes: ["audio/*"] } };
    expect(rulesOf(own)).toMatchObject({
      length: "policy.upload.minBytes",
      filetype: "policy.upload.fileTypes",
      creator: "policy.creator.from",
      origin: "policy.origins",
      color: "policy.custom.*.allow",
    });
  });

  it("refuses every creation, also of a grant, where the combination contradicts itself", () => {
    const combined = combine({ upload: { minBytes: 10 } }, { upload: { maxBytes: 5 } });
    const { result } = apply(combined, requestOf({}, { length: 7 }));
    expect(result).toMatchObject({
      problem: {
        code: "policy_conflict",
        detail: "This policy can never allow an upload: minBytes is 10, and maxBytes is 5.",
      },
    });
    const granted = applyPolicy(narrow([combined], policyOf({}, "grant")), requestOf({}, { length: 7 }));
    expect(granted.result).toMatchObject({ problem: { code: "policy_conflict" } });
    expect(combine({ upload: { minBytes: 5 } }, { upload: { maxBytes: 5 } })).not.toHaveProperty("conflict");
  });

  it("is narrowed by a grant as a tenant's own document is", () => {
    const combined = combine({ upload: { maxBytes: 500 } }, {});
    const { result } = applyPolicy(
      narrow([combined], policyOf({ upload: { maxBytes: 900 } }, "grant")),
      requestOf({}, { length: 700 }),
    );
    expect(result).toMatchObject({ problem: { code: "upload_too_large", limit: { name: "plan.upload.maxBytes" } } });
  });
});

const [plans, owns] = [documents("plan"), documents("policy")];

/** Paths of entries, as objects with one `null`. */
const removal = fc.constantFrom<object>(
  { upload: { minBytes: null } },
  { upload: { maxBytes: null } },
  { upload: { fileTypes: null } },
  { metadata: { name: null } },
  { metadata: { expiry: null } },
  { custom: { PROJECTID: null } },
  { custom: { "*": null } },
  { creator: null },
  { origins: null },
  { features: null },
  { playback: { maxSeconds: null } },
  { playback: { accessRules: null } },
  { playback: { downloadable: null } },
);

describe("combineDocuments, for any plan, tenant and creation", () => {
  const RUNS = { numRuns: 2_000 };

  it("decides as the plan if the tenant's document is empty, and as the tenant if the plan's is", () => {
    fc.assert(
      fc.property(plans, policyRequest, ({ json }, request) => {
        const [asPlan, asTenant] = [readPolicy(json, "plan"), readPolicy(json, "policy")];
        if (!asPlan.ok || !asTenant.ok) return;
        const ofPlan = combineDocuments(asPlan.value, policyOf({}), STREAM_BOUNDS);
        const ofTenant = combineDocuments(policyOf({}, "plan"), asTenant.value, STREAM_BOUNDS);
        expect(ofPlan.conflict?.code).toEqual(ofTenant.conflict?.code);
        if (ofPlan.conflict) return;
        const expected = apply(asTenant.value, request);
        expect(withoutSource(describeResult(apply(ofPlan, request)))).toBe(withoutSource(describeResult(expected)));
        expect(describeResult(apply(ofTenant, request))).toEqual(describeResult(expected));
      }),
      RUNS,
    );
  });

  it("decides as the combined text does", () => {
    fc.assert(
      fc.property(plans, owns, policyRequest, ({ document: plan }, { document: own }, request) => {
        const combined = combineDocuments(plan, own, STREAM_BOUNDS);
        const read = readPolicy(combined.json, "policy");
        if (read.ok) {
          expect(combined.features).toEqual(read.value.features);
          expect(combined.playback).toEqual(read.value.playback);
        }
        if (!read.ok) expect(combined.conflict).toBeDefined();
        else if (combined.conflict) expect(apply(read.value, request).result.ok).toBe(false);
        else expect(sorted(apply(combined, request))).toEqual(sorted(apply(read.value, request)));
      }),
      RUNS,
    );
  });

  it("is the tenant's where the tenant names an entry, and nobody's where it removes it", () => {
    fc.assert(
      fc.property(plans, owns, policyRequest, ({ document: plan, json }, { document: own }, request) => {
        // Every entry of the plan is named by a tenant that removes the plan's and has its own.
        const removed = combineDocuments(plan, ownOf(nullsOf(json, own.json)), STREAM_BOUNDS);
        expect(removed.json).toEqual(combineJson({}, own.json));
        if (!removed.conflict) expect(sorted(apply(removed, request))).toEqual(sorted(apply(own, request)));
      }),
      RUNS,
    );
  });

  it("does not depend on the order of keys", () => {
    fc.assert(
      fc.property(plans, owns, policyRequest, ({ json: plan }, { json: own }, request) => {
        const [one, other] = [
          combineDocuments(readOf(plan, "plan"), ownOf(own), STREAM_BOUNDS),
          combineDocuments(readOf(reversed(plan), "plan"), ownOf(reversed(own)), STREAM_BOUNDS),
        ];
        expect(one.json).toEqual(other.json);
        expect(sorted(apply(one, request))).toEqual(sorted(apply(other, request)));
      }),
      RUNS,
    );
  });
});

describe("parsePolicy, of a document with null", () => {
  const parse = (json: object) => parsePolicy(json, "policy", undefined, true);

  it("accepts null for any entry of a plan, and says that there is one", () => {
    fc.assert(
      fc.property(removal, (json) => {
        expect(parse(json)).toMatchObject({ ok: true, value: { removes: true } });
      }),
    );
    expect(policyOf({ upload: { maxBytes: 5 } })).not.toHaveProperty("removes");
  });

  it.each<[json: object, key: string]>([
    [{ upload: null }, "policy.upload"],
    [{ metadata: null }, "policy.metadata"],
    [{ custom: null }, "policy.custom"],
    [{ playback: null }, "policy.playback"],
    [{ playback: { maxSeconds: null, max: null } }, "policy.playback.max"],
    [{ upload: { maxByte: null } }, "policy.upload.maxByte"],
    [{ metadata: { nme: null } }, "policy.metadata.nme"],
    [{ custom: { name: null } }, "policy.custom.name"],
    [{ custom: { sluice: null } }, "policy.custom.sluice"],
    [{ custom: { a: null, A: null } }, "policy.custom.A"],
    [{ metadata: { name: { maxLength: null } } }, "policy.metadata.name.maxLength"],
    [{ creator: { from: null } }, "policy.creator.from"],
    [{ origins: [null] }, "policy.origins.0"],
    [{ upload: { fileTypes: [null] } }, "policy.upload.fileTypes.0"],
  ])("refuses %j", (json, key) => {
    expect(parse(json)).toMatchObject({ problem: { code: "body_invalid", key } });
  });

  it("refuses it of a tenant without a plan, of a plan and of a grant", () => {
    fc.assert(
      fc.property(removal, fc.constantFrom("policy" as const, "plan" as const, "grant" as const), (json, source) => {
        const detail = `${source}: only a tenant on a plan may have null, which removes an entry of the plan`;
        expect(parsePolicy(json, source)).toMatchObject({ problem: { code: "body_invalid", key: source, detail } });
      }),
    );
  });
});

it("a document without a plan decides as before", () => {
  expect(codeOf({ upload: { maxBytes: 5 } }, requestOf())).toBe("upload_too_large");
});

function describeResult({ result, explanations }: ReturnType<typeof applyPolicy>) {
  return {
    result: result.ok ? { ...result.value, metadata: [...result.value.metadata] } : result.problem,
    explanations,
  };
}

/** Without the source of rules, and in any order of keys. */
function sorted(applied: ReturnType<typeof applyPolicy>) {
  const { result, explanations } = applied;
  const lines = explanations.map(withoutSource).toSorted();
  return { lines, accepted: result.ok && [...result.value.metadata].map(withoutSource).toSorted() };
}

function readOf(json: unknown, source: PolicyDocument["source"]): PolicyDocument {
  const read = readPolicy(json, source);
  if (!read.ok) throw new Error(read.problem.detail);
  return read.value;
}

const ownOf = (json: unknown) => readOf(json, "policy");

/** The tenant's document, with null for each entry of the plan that it does not name. */
function nullsOf(plan: unknown, own: unknown): unknown {
  const at = (json: unknown, member: string) => (json as Record<string, Record<string, unknown> | undefined>)[member];
  const result: Record<string, unknown> = { ...(own as object) };
  for (const [member, value] of Object.entries(plan as Record<string, unknown>))
    if (["creator", "origins", "features"].includes(member)) result[member] ??= null;
    else
      result[member] = {
        ...Object.fromEntries(Object.keys(value as object).map((name) => [name, null])),
        ...at(own, member),
      };
  return result;
}

/** The same JSON with the members of every object in reverse order. */
function reversed(json: unknown): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
  return Object.fromEntries(
    Object.entries(json)
      .toReversed()
      .map(([name, value]) => [name, reversed(value)]),
  );
}
