import { applyPolicy } from "../../src/core/policy/rules/apply.ts";
import { uploadBounds } from "../../src/core/quota/rules/upload-bounds.ts";
import { USUAL_MAXIMA } from "../../src/core/stream/rules/defaults.ts";
import type { PolicyRequest } from "../../src/core/policy/rules/policy-decision.ts";
import { parsePolicy } from "../../src/core/policy/rules/parse-policy.ts";
import { STREAM_KEYS } from "./policy-oracle.ts";
import type { PolicyDocument } from "../../src/core/policy/rules/policy.ts";
import type { MetadataValue } from "../../src/core/uploads/rules/metadata-value.ts";

/** 2026-11-22T12:00:00Z, in seconds. */
export const NOON = Date.UTC(2026, 10, 22, 12) / 1000;

/** Of a tenant without limits, on an account with Stream's usual maxima. */
export const STREAM_BOUNDS = uploadBounds(USUAL_MAXIMA, {});

/** Parses a valid policy document. */
export function policyOf(json: unknown, source: PolicyDocument["source"] = "policy"): PolicyDocument {
  const parsed = parsePolicy(json, source);
  if (!parsed.ok) throw new Error(`${parsed.problem.detail} ${JSON.stringify(json)}`);
  return parsed.value;
}

/** A document with these rules by key: Stream's keys under `metadata`, all others under `custom`. */
export function documentOf(rules: object): { metadata: object; custom: object } {
  const entries = Object.entries(rules);
  const [metadata, custom] = [true, false].map((isStream) =>
    Object.fromEntries(entries.filter(([key]) => STREAM_KEYS.has(key) === isStream)),
  ) as [object, object];
  return { metadata, custom };
}

/** A creation of 1,000 bytes by an API key at noon. */
export function requestOf(
  metadata: Readonly<Record<string, MetadataValue>> = {},
  more: Partial<Omit<PolicyRequest, "metadata">> = {},
): PolicyRequest {
  return {
    length: 1_000,
    caller: { tenant: "acme", kind: "api-key" },
    now: NOON,
    bounds: STREAM_BOUNDS,
    ...more,
    metadata: new Map(Object.entries(metadata)),
  };
}

/** The code of the refusal, or "accepted". */
export function codeOf(document: object, request: PolicyRequest): string {
  const { result } = applyPolicy([policyOf(document)], request);
  return result.ok ? "accepted" : result.problem.code;
}

/** The metadata sent to Stream, without the defaults of the two keys that are always sent; or the code of the refusal. */
export function applyRules(
  rules: object,
  metadata: Readonly<Record<string, MetadataValue>>,
  more: Partial<Omit<PolicyRequest, "metadata">> = {},
): unknown {
  const { result } = applyPolicy([policyOf(documentOf(rules))], requestOf(metadata, more));
  if (!result.ok) return result.problem.code;
  const { maxdurationseconds, expiry, ...rest } = Object.fromEntries(result.value.metadata);
  return {
    ...rest,
    ...(maxdurationseconds !== "14400" && { maxdurationseconds }),
    ...(expiry !== "2026-11-22T12:30:00Z" && { expiry }),
  };
}
