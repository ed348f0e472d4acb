import type { PolicyRequest } from "../../src/core/policy/rules/policy-decision.ts";
import { type PolicyDocument, parsePolicy } from "../../src/core/policy/rules/policy.ts";

/** 2026-11-22T12:00:00Z, in seconds. */
export const NOON = Date.UTC(2026, 10, 22, 12) / 1000;

/** A policy document that has to be a valid one. */
export function policyOf(json: unknown, source: "policy" | "grant" = "policy"): PolicyDocument {
  const parsed = parsePolicy(json, source);
  if (!parsed.ok) throw new Error(`${parsed.problem.detail} ${JSON.stringify(json)}`);
  return parsed.value;
}

/** A creation of 1,000 bytes by an API key at noon, but for what the test is about. */
export function requestOf(
  metadata: Readonly<Record<string, string>> = {},
  more: Partial<Omit<PolicyRequest, "metadata">> = {},
): PolicyRequest {
  return {
    length: 1_000,
    caller: { tenant: "acme", kind: "api-key" },
    now: NOON,
    ...more,
    metadata: new Map(Object.entries(metadata)),
  };
}
