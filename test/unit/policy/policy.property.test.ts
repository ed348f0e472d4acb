import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { type Policy, type PolicyDocument, narrow, parsePolicy } from "../../../src/core/policy/rules/policy.ts";
import { encodeUploadMetadata, parseUploadMetadata } from "../../../src/core/uploads/rules/upload-metadata.ts";
import { policyJson, policyRequest } from "../../support/policy-arbitraries.ts";
import { STREAM_KEYS, complaints } from "../../support/policy-oracle.ts";
import { policyOf } from "../../support/policy-fixtures.ts";

const valid = (source: PolicyDocument["source"]) =>
  policyJson.filter((json) => parsePolicy(json, source).ok).map((json) => ({ json, document: policyOf(json, source) }));
const tenant = valid("policy");
const grant = valid("grant");
const RUNS = { numRuns: 2_000 };

function decide(policy: Policy, request: Parameters<typeof applyPolicy>[1]) {
  const { result } = applyPolicy(policy, request);
  return result.ok ? result.value : undefined;
}

describe("whatever the policy and the creation", () => {
  it("nothing that the policy forbids is in its output", () => {
    let accepted = 0;
    fc.assert(
      fc.property(tenant, policyRequest, ({ json, document }, request) => {
        const decision = decide([document], request);
        if (!decision) return;
        accepted++;
        expect(complaints(json, decision, request)).toEqual([]);
      }),
      RUNS,
    );
    // Or else it proves nothing.
    expect(accepted).toBeGreaterThan(RUNS.numRuns / 20);
  });

  it("what narrow(a, b) accepts, a and b accept, as it comes out", () => {
    let accepted = 0;
    fc.assert(
      fc.property(tenant, grant, policyRequest, (a, b, request) => {
        const decision = decide(narrow([a.document], b.document), request);
        if (!decision) return;
        accepted++;
        expect(complaints(a.json, decision, request)).toEqual([]);
        expect(complaints(b.json, decision, request)).toEqual([]);
      }),
      RUNS,
    );
    expect(accepted).toBeGreaterThan(RUNS.numRuns / 100);
  });

  it("narrow(a, b) lets no key through that a alone would not, and refuses what a refuses for its size", () => {
    fc.assert(
      fc.property(tenant, grant, policyRequest, (a, b, request) => {
        const decision = decide(narrow([a.document], b.document), request);
        if (!decision) return;
        const { metadata: rules = {} } = a.json as { metadata?: Record<string, { allow?: string[] }> };
        for (const key of decision.metadata.keys())
          expect(STREAM_KEYS.has(key) || key in rules || (rules["*"]?.allow ?? []).includes(key), key).toBe(true);
      }),
      RUNS,
    );
  });

  it("length, duration, expiry and creator are always within Stream's bounds", () => {
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
        expect(parseUploadMetadata(encodeUploadMetadata(metadata))).toEqual({ ok: true, value: metadata });
        for (const reserved of ["sluice", "grant", "filetype"]) expect(metadata.has(reserved)).toBe(false);
      }),
      RUNS,
    );
  });

  it("a creation that asks for what was decided is decided the same", () => {
    fc.assert(
      fc.property(tenant, policyRequest, ({ json, document }, request) => {
        const denied = Object.values((json["metadata"] ?? {}) as Record<string, { deny?: boolean }>).some(
          ({ deny }) => deny,
        );
        const decision = decide([document], request);
        if (!decision || denied) return;
        const filetype = request.metadata.get("filetype");
        const metadata = new Map([...decision.metadata, ...(filetype ? [["filetype", filetype] as const] : [])]);
        expect(decide([document], { ...request, metadata })?.metadata).toEqual(decision.metadata);
      }),
      RUNS,
    );
  });

  it("a key that the client may not send makes no difference when it is dropped", () => {
    fc.assert(
      fc.property(policyRequest, fc.constantFrom("name", "expiry", "allowedorigins", "project"), (request, key) => {
        const denied = { deny: true, onViolation: "drop" };
        const policy: Policy = [policyOf({ metadata: { [key]: denied, filename: denied } })];
        const without = new Map(request.metadata);
        without.delete(key);
        if (key === "name") without.delete("filename");
        expect(decide(policy, request)?.metadata).toEqual(decide(policy, { ...request, metadata: without })?.metadata);
      }),
      RUNS,
    );
  });

  it("every refusal is explained by a line of its own", () => {
    fc.assert(
      fc.property(tenant, grant, policyRequest, (a, b, request) => {
        const { result, explanations } = applyPolicy(narrow([a.document], b.document), request);
        expect(explanations.some(({ outcome }) => outcome === "refused")).toBe(!result.ok);
      }),
    );
  });

  it("no document and no creation makes the core throw", () => {
    const anything = fc.oneof(
      fc.anything(),
      fc.jsonValue(),
      policyJson,
      fc.record({ metadata: fc.anything() }),
      fc.record({ metadata: fc.dictionary(fc.string(), fc.anything()) }),
    );
    fc.assert(
      fc.property(anything, fc.dictionary(fc.string(), fc.string()), policyRequest, (json, extra, request) => {
        const parsed = parsePolicy(json, "policy");
        const metadata = new Map([...request.metadata, ...Object.entries(extra)]);
        const verdict = parsed.ok && applyPolicy([parsed.value], { ...request, metadata });
        expect(typeof (verdict ? verdict.result.ok : parsed.ok)).toBe("boolean");
      }),
      RUNS,
    );
  });
});
