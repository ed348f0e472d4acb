import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PolicyResult, applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { isCreator } from "../../../src/core/policy/rules/creator.ts";
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
    readonly outcome: Readonly<Record<string, unknown>>;
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
        const { subject } = request.caller as { subject?: string };
        const made: PolicyRequest = {
          ...request,
          caller: { ...request.caller, ...(subject !== undefined && { person: { namespace: "tenant", subject } }) },
          now: NOON,
          bounds: STREAM_BOUNDS,
          metadata: new Map(Object.entries(request.metadata)),
        };
        const decided = outcomeOf(applyPolicy([read.ok ? read.value : never()], made));
        // The creator of an API key names the person now, so it is checked whatever Stream is told.
        const isNamed = request.caller.kind === "api-key" && !isCreator(request.creator ?? "user-2");
        expect(decided).toEqual(isNamed && decided["code"] !== outcome["code"] ? CREATOR_INVALID : outcome);
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
const CREATOR_INVALID = { code: "creator_invalid", key: "creator" };

function outcomeOf({ result }: PolicyResult): Record<string, unknown> {
  if (!result.ok) return { code: result.problem.code, key: result.problem.key };
  // Version 0.1 did not tell whose the upload is from what Stream is told.
  const { person: _, metadata, ...decision } = result.value;
  return { ...decision, metadata: Object.fromEntries(metadata) };
}

function never(): never {
  throw new Error("The document was refused.");
}
