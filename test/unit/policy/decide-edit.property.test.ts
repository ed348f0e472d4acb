import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { type EditContext, decideVideoEdit } from "../../../src/core/policy/rules/decide-edit.ts";
import type { PolicyDocument } from "../../../src/core/policy/rules/policy.ts";
import type { Decision, PolicyRequest } from "../../../src/core/policy/rules/policy-decision.ts";
import { documents, policyRequest } from "../../support/policy-arbitraries.ts";
import { NOON, STREAM_BOUNDS } from "../../support/policy-fixtures.ts";
import { STREAM_KEYS, violations } from "../../support/policy-oracle.ts";

const RUNS = { numRuns: 3_000 };
const DAY = 86_400;
const NOT_EDITED = new Set(["filename", "filetype", "watermark", "sluice", "grant", "maxdurationseconds", "expiry"]);
const EDITED_OPTIONS = new Set(["requiresignedurls", "allowedorigins", "thumbnailtimestamppct", "scheduleddeletion"]);

/** What other systems of the operator wrote into `meta`, and the gateway's tag. */
const FOREIGN = { "own system": { id: 7 }, sluice: "acme/1/mac" };

/** A video at Stream: its options and text keys as in metadata, by policy key or spelling. */
type VideoTexts = Map<string, string>;

interface Edit {
  readonly now: number;
  readonly changes: ReadonlyMap<string, string | null>;
}

const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc
    .tuple(policyRequest, fc.nat(100 * DAY), fc.infiniteStream(fc.integer({ min: 0, max: 3 })))
    .map(([{ metadata }, later, removed]) => ({
      now: NOON + later,
      changes: new Map(
        [...metadata]
          .filter((pair): pair is [string, string] => typeof pair[1] === "string" && !NOT_EDITED.has(pair[0]))
          .map(([key, text]) => {
            const isAbsent = text === "" && STREAM_KEYS.has(key) && key !== "requiresignedurls";
            return [key, isAbsent || removed.next().value === 0 ? null : text];
          }),
      ),
    })),
  { minLength: 1, maxLength: 4 },
);

function decide(document: PolicyDocument, video: VideoTexts, { now, changes }: Edit, length: number, created = NOON) {
  const context: EditContext = { created, length, bounds: STREAM_BOUNDS, now };
  const options = new Map([...video].filter(([key]) => EDITED_OPTIONS.has(key)));
  const custom = [...video].filter(([key]) => key === "name" || !STREAM_KEYS.has(key));
  return decideVideoEdit([document], { changes }, context, options, { ...FOREIGN, ...Object.fromEntries(custom) })
    .result;
}

/** What Stream has after it carried out a decision. */
function carryOut(video: VideoTexts, decision: { options: ReadonlyMap<string, string | undefined>; meta?: object }) {
  const { options, meta } = decision;
  const isCustom = (key: string) => key === "name" || !STREAM_KEYS.has(key);
  const after: VideoTexts = new Map([...video].filter(([key]) => !meta || !isCustom(key)));
  for (const [key, text] of options)
    if (text === undefined) after.delete(key);
    else after.set(key, text);
  for (const [key, value] of Object.entries(meta ?? {})) if (typeof value === "string") after.set(key, value);
  return after;
}

function asDecision(video: VideoTexts, created: Decision): Decision {
  return { ...created, metadata: video };
}

describe("decideVideoEdit, for any policy, creation and edits", () => {
  it("ends in nothing that the policy forbids a creation", () => {
    let accepted = 0;
    fc.assert(
      fc.property(documents("policy"), policyRequest, edits, ({ json, document }, creation, edits) => {
        const { result } = applyPolicy([document], creation);
        if (!result.ok) return;
        let video: VideoTexts = new Map(result.value.metadata);
        for (const edit of edits.toSorted((a, b) => a.now - b.now)) {
          const deletion = Date.parse(video.get("scheduleddeletion") ?? "9999-01-01") / 1000;
          if (deletion <= edit.now) return;
          const decision = decide(document, video, edit, creation.length);
          if (!decision.ok) continue;
          if (decision.value.meta) expect(decision.value.meta).toMatchObject({ "own system": { id: 7 } });
          video = carryOut(video, decision.value);
          accepted++;
          const sent = new Map([...edit.changes].filter((pair): pair is [string, string] => pair[1] !== null));
          const request: PolicyRequest = { ...creation, metadata: sent };
          expect(violations(json, asDecision(video, result.value), request)).toEqual([]);
          const later = Date.parse(video.get("scheduleddeletion") ?? "") / 1000;
          if (!Number.isNaN(later) && video.get("scheduleddeletion") !== undefined) {
            expect(later).toBeGreaterThan(deletion === later ? 0 : edit.now);
            expect(later - NOON).toBeLessThanOrEqual(1_096 * DAY);
          }
        }
      }),
      RUNS,
    );
    expect(accepted).toBeGreaterThan(RUNS.numRuns / 20);
  });

  it("changes nothing where the edit is empty, or sends back what is there, and the creation satisfied the policy", () => {
    fc.assert(
      fc.property(
        documents("policy"),
        policyRequest,
        fc.integer({ min: -8, max: 8 }),
        fc.boolean(),
        ({ document }, creation, skew, isSentBack) => {
          const { result } = applyPolicy([document], creation);
          if (!result.ok) return;
          const video = new Map(result.value.metadata);
          const same = [...video]
            .filter(([key]) => !NOT_EDITED.has(key))
            .map(([key, text]) => [key.toLowerCase(), text]);
          const edit = { now: NOON, changes: new Map(isSentBack ? (same as [string, string][]) : []) };
          // The ledger's clock is another one.
          expect(decide(document, video, edit, creation.length, NOON + skew)).toEqual({
            ok: true,
            value: { options: new Map() },
          });
        },
      ),
      RUNS,
    );
  });
});
