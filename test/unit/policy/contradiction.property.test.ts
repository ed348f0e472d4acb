import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { findContradiction } from "../../../src/core/policy/rules/contradiction.ts";
import { parseDuration } from "../../../src/core/policy/rules/duration.ts";
import { readPolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import { type Policy, narrow } from "../../../src/core/policy/rules/policy.ts";
import type { PolicyRequest } from "../../../src/core/policy/rules/policy-decision.ts";
import {
  DURATIONS,
  FRACTIONS,
  HOSTS,
  SECONDS,
  TEXTS,
  documents,
  policyRequest,
  rules,
} from "../../support/policy-arbitraries.ts";
import { NOON, STREAM_BOUNDS, documentOf } from "../../support/policy-fixtures.ts";

const caller = { tenant: "acme", kind: "grant" as const, person: { namespace: "tenant", subject: "user-1" } };
const RUNS = { numRuns: 3_000 };

const [tenants, grants] = [documents("policy"), documents("grant")];

/** All texts that a client could send for a key, of those in the rules above. A time at Stream's minimum has a margin. */
const times = DURATIONS.flatMap((duration) => [0, 60].map((margin) => time((parseDuration(duration) ?? 0) + margin)));
const REQUESTS: Readonly<Record<string, readonly string[]>> = {
  name: TEXTS,
  projectId: TEXTS,
  watermark: ["w1", "w2"],
  maxdurationseconds: SECONDS.map(String),
  thumbnailtimestamppct: FRACTIONS.map(String),
  requiresignedurls: [""],
  allowedorigins: HOSTS,
  scheduleddeletion: times,
  expiry: times,
};

function time(ahead: number): string {
  return new Date((NOON + ahead) * 1000).toISOString();
}

/** Bytes whose `auto` expiry is each of the durations. */
const LENGTHS = DURATIONS.map((duration) => (parseDuration(duration) ?? 0) * 250_000).filter(
  (length) => length <= 30e9,
);

function isAccepted(policy: Policy, request: Partial<PolicyRequest>): boolean {
  return applyPolicy(policy, { length: 0, metadata: new Map(), caller, now: NOON, bounds: STREAM_BOUNDS, ...request })
    .result.ok;
}

describe("findContradiction, for any two documents", () => {
  it("finds none where a creation is accepted", () => {
    let accepted = 0;
    fc.assert(
      fc.property(tenants, grants, policyRequest, ({ document: tenant }, { document: grant }, request) => {
        const policy = narrow([tenant], grant);
        // A grant that names origins is for pages of these.
        if (grant.origins && grant.origins.length > 0 && request.origin === undefined) return;
        if (!isAccepted(policy, { ...request, caller })) return;
        accepted++;
        expect(findContradiction(policy, caller, STREAM_BOUNDS)).toBeUndefined();
      }),
      RUNS,
    );
    expect(accepted).toBeGreaterThan(RUNS.numRuns / 100);
  });

  const comparable = Object.keys(REQUESTS).map((key) =>
    fc.record({ key: fc.constant(key), a: rules[key] ?? fc.constant({}), b: rules[key] ?? fc.constant({}) }),
  );

  it("finds one exactly where no creation is accepted, without patterns", () => {
    const seen = { contradictory: 0, satisfiable: 0 };
    fc.assert(
      fc.property(fc.oneof(...comparable), ({ key, a, b }) => {
        const [tenant, grant] = [a, b].map((rule) =>
          documentOf({ [key]: { ...(rule as object), pattern: undefined } }),
        );
        const [parsedTenant, parsedGrant] = [readPolicy(json(tenant), "policy"), readPolicy(json(grant), "grant")];
        if (!parsedTenant.ok || !parsedGrant.ok) return;
        const policy = narrow([parsedTenant.value], parsedGrant.value);
        const requests = [
          new Map<string, string>(),
          ...(REQUESTS[key] ?? []).map((text) => new Map([[key.toLowerCase(), text]])),
        ];
        const possible = requests.some((metadata) =>
          (key === "expiry" ? LENGTHS : [0]).some((length) => isAccepted(policy, { metadata, length })),
        );
        seen[possible ? "satisfiable" : "contradictory"]++;
        expect(findContradiction(policy, caller, STREAM_BOUNDS) === undefined).toBe(possible);
      }),
      RUNS,
    );
    expect(Math.min(seen.contradictory, seen.satisfiable)).toBeGreaterThan(RUNS.numRuns / 20);
  });
});

/** Without the members that are undefined. */
function json(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
