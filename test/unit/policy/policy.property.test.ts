import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { parsePolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import { type Policy, narrow } from "../../../src/core/policy/rules/policy.ts";
import { encodeUploadMetadata, parseUploadMetadata } from "../../../src/core/uploads/rules/upload-metadata.ts";
import { documents, policyJson, policyRequest } from "../../support/policy-arbitraries.ts";
import { STREAM_KEYS, violations } from "../../support/policy-oracle.ts";
import { documentOf, policyOf } from "../../support/policy-fixtures.ts";

const tenant = documents("policy");
const grant = documents("grant");
const RUNS = { numRuns: 2_000 };

function decide(policy: Policy, request: Parameters<typeof applyPolicy>[1]) {
  const { result } = applyPolicy(policy, request);
  return result.ok ? result.value : undefined;
}

/** As the parser of a header returns them. */
function inLowerCase(metadata: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...metadata].map(([key, text]) => [key.toLowerCase(), text]));
}

describe("applyPolicy, for any policy and creation", () => {
  it("accepts only what the policy allows", () => {
    let accepted = 0;
    fc.assert(
      fc.property(tenant, policyRequest, ({ json, document }, request) => {
        const decision = decide([document], request);
        if (!decision) return;
        accepted++;
        expect(violations(json, decision, request)).toEqual([]);
      }),
      RUNS,
    );
    // With fewer accepted creations, the property proves nothing.
    expect(accepted).toBeGreaterThan(RUNS.numRuns / 20);
  });

  it("accepts under narrow(a, b) only what both a and b allow", () => {
    let accepted = 0;
    fc.assert(
      fc.property(tenant, grant, policyRequest, (a, b, request) => {
        const decision = decide(narrow([a.document], b.document), request);
        if (!decision) return;
        accepted++;
        expect(violations(a.json, decision, request, b.json)).toEqual([]);
        expect(violations(b.json, decision, request, a.json)).toEqual([]);
      }),
      RUNS,
    );
    expect(accepted).toBeGreaterThan(RUNS.numRuns / 100);
  });

  it("sends no key under narrow(a, b) that a alone would not send", () => {
    fc.assert(
      fc.property(tenant, grant, policyRequest, (a, b, request) => {
        const decision = decide(narrow([a.document], b.document), request);
        if (!decision) return;
        const { custom: rules = {} } = a.json as { custom?: Record<string, { allow?: string[] }> };
        for (const key of decision.metadata.keys())
          expect(STREAM_KEYS.has(key) || key in rules || (rules["*"]?.allow ?? []).includes(key), key).toBe(true);
      }),
      RUNS,
    );
  });

  it("keeps length, duration, expiry and creator within Stream's bounds", () => {
    fc.assert(
      fc.property(tenant, policyRequest, ({ document }, request) => {
        const decision = decide([document], request);
        if (!decision) return;
        const { metadata, maxDurationSeconds, expiresAt, creator } = decision;
        expect(metadata.get("maxdurationseconds")).toBe(String(maxDurationSeconds));
        expect(maxDurationSeconds).toBeGreaterThanOrEqual(1);
        expect(maxDurationSeconds).toBeLessThanOrEqual(36_000);
        expect(expiresAt - request.now).toBeGreaterThanOrEqual(120);
        expect(expiresAt - request.now).toBeLessThanOrEqual(21_600);
        expect(creator ?? "none").toMatch(/^[\x21-\x7e]{1,64}$/);
        const sent = parseUploadMetadata(encodeUploadMetadata(metadata));
        expect(sent).toEqual({ ok: true, value: inLowerCase(metadata) });
        for (const reserved of ["sluice", "grant", "filetype"]) expect(metadata.has(reserved)).toBe(false);
      }),
      RUNS,
    );
  });

  it("accepts its own decision unchanged", () => {
    fc.assert(
      fc.property(tenant, policyRequest, ({ json, document }, request) => {
        const rules = { ...(json["metadata"] as object), ...(json["custom"] as object) };
        const denied = Object.values<{ deny?: boolean }>(rules).some(({ deny }) => deny);
        const decision = decide([document], request);
        if (!decision || denied) return;
        const file = [...request.metadata].filter(([key]) => key === "filetype" || key === "filename");
        const metadata = new Map([...file, ...inLowerCase(decision.metadata)]);
        expect(decide([document], { ...request, metadata })?.metadata).toEqual(decision.metadata);
      }),
      RUNS,
    );
  });

  it("ignores the value of a denied key that is dropped", () => {
    fc.assert(
      fc.property(policyRequest, fc.constantFrom("name", "expiry", "allowedorigins", "projectid"), (request, key) => {
        const denied = { deny: true, onViolation: "drop" };
        const policy: Policy = [policyOf(documentOf({ [key]: denied, filename: denied }))];
        const without = new Map(request.metadata);
        without.delete(key);
        if (key === "name") without.delete("filename");
        expect(decide(policy, request)?.metadata).toEqual(decide(policy, { ...request, metadata: without })?.metadata);
      }),
      RUNS,
    );
  });

  it("explains every refusal", () => {
    fc.assert(
      fc.property(tenant, grant, policyRequest, (a, b, request) => {
        const { result, explanations } = applyPolicy(narrow([a.document], b.document), request);
        expect(explanations.some(({ outcome }) => outcome === "refused")).toBe(!result.ok);
      }),
    );
  });

  it("never throws", () => {
    const anything = fc.oneof(
      fc.anything(),
      fc.jsonValue(),
      policyJson,
      fc.record({ metadata: fc.anything() }),
      fc.record({ metadata: fc.dictionary(fc.string(), fc.anything()) }),
      fc.record({ custom: fc.dictionary(fc.string(), fc.anything()) }),
    );
    fc.assert(
      fc.property(anything, fc.dictionary(fc.string(), fc.string()), policyRequest, (json, extra, request) => {
        const parsed = parsePolicy(json, "policy");
        const metadata = new Map([...request.metadata, ...Object.entries(extra)]);
        const applied = parsed.ok && applyPolicy([parsed.value], { ...request, metadata });
        expect(typeof (applied ? applied.result.ok : parsed.ok)).toBe("boolean");
      }),
      RUNS,
    );
  });
});
