import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PolicyResult, applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import type { Faults } from "../../../src/core/policy/rules/faults.ts";
import { parsePolicy, readPolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import type { PolicyRequest } from "../../../src/core/policy/rules/policy-decision.ts";
import { policyJson, policyRequest } from "../../support/policy-arbitraries.ts";
import { NOON, STREAM_BOUNDS } from "../../support/policy-fixtures.ts";

/** A document that version 0.1 accepted, and what it decided: one a line, written by version 0.1. */
interface Golden {
  readonly document: { metadata?: object };
  readonly decisions: readonly {
    readonly request: Omit<PolicyRequest, "metadata" | "now" | "bounds"> & { metadata: Record<string, string> };
    readonly outcome: object;
  }[];
}

const golden = readFileSync(new URL("documents-of-0.1.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Golden);

describe("readPolicy, for documents of version 0.1", () => {
  it.each(golden.map(({ document, decisions }) => ({ json: JSON.stringify(document), decisions })))(
    "decides as version 0.1 did: $json",
    ({ json, decisions }) => {
      for (const source of ["policy", "grant"] as const)
        expect(readPolicy(JSON.parse(json), source)).toHaveProperty("ok", true);
      const read = readPolicy(JSON.parse(json), "policy");
      for (const { request, outcome } of decisions) {
        const made: PolicyRequest = {
          ...request,
          now: NOON,
          bounds: STREAM_BOUNDS,
          metadata: new Map(Object.entries(request.metadata)),
        };
        expect(outcomeOf(applyPolicy([read.ok ? read.value : never()], made))).toEqual(outcome);
      }
    },
  );

  it("reads a document without faults as the parser of written documents does, and refuses the others there", () => {
    for (const { document } of golden) {
      const faults: Faults = [];
      readPolicy(document, "policy", faults);
      const [first] = faults;
      expect(parsePolicy(document, "policy")).toMatchObject(
        first
          ? { ok: false, problem: { code: "body_invalid", detail: expect.stringContaining(first.detail) } }
          : { ok: true },
      );
    }
  });

  it("decides the same whether custom keys stand under custom or, as in version 0.1, under metadata", () => {
    fc.assert(
      fc.property(policyJson, policyRequest, (json, request) => {
        const { custom, ...rest } = json;
        const old = { ...rest, metadata: { ...(rest["metadata"] as object), ...(custom as object) } };
        const [now, before] = [readPolicy(json, "policy"), readPolicy(old, "policy")];
        expect(before.ok).toBe(now.ok);
        if (!now.ok || !before.ok) return;
        expect(outcomeOf(applyPolicy([before.value], request))).toEqual(outcomeOf(applyPolicy([now.value], request)));
      }),
      { numRuns: 1_000 },
    );
  });
});

/** A decision as JSON; of a refusal what programs read, since its text names the rule where it stands. */
function outcomeOf({ result }: PolicyResult): object {
  return result.ok
    ? { ...result.value, metadata: Object.fromEntries(result.value.metadata) }
    : { code: result.problem.code, key: result.problem.key };
}

function never(): never {
  throw new Error("The document was refused.");
}
