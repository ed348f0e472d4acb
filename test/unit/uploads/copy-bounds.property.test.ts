import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { parsePolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import {
  UPLOAD_STATES,
  type UploadProgress,
  type UploadTransition,
  applyTransition,
} from "../../../src/core/uploads/rules/upload-state.ts";
import { NOON, STREAM_BOUNDS } from "../../support/policy-fixtures.ts";

/** No copy or clip ends in a state that the policy forbids, whatever is reported when, and whatever the policy says. */

const uid = "0".repeat(32);
const RESERVED = { bytes: 100, seconds: 60 };

/** What Stream may report of one video, each time all or a part of its size. */
function reportsOf(bytes: number, seconds: number): fc.Arbitrary<UploadTransition> {
  const size = fc.record({ bytes: fc.constant(bytes), seconds: fc.constant(seconds) }, { requiredKeys: [] });
  const measured = fc
    .tuple(fc.constantFrom("processing", "ready"), size)
    .map(([kind, more]) => ({ kind, uid, ...more }));
  const other = fc.constantFrom({ kind: "absent" }, { kind: "pending", uid }, { kind: "failed", uid, reason: "ERR" });
  return fc
    .tuple(fc.constantFrom("reported", "restored"), fc.oneof({ weight: 4, arbitrary: measured }, other))
    .map(([kind, report]) => ({ kind: report.kind === "ready" ? kind : "reported", report }) as UploadTransition);
}

const OTHERS = fc.constantFrom<UploadTransition>(
  { kind: "issued", uid },
  { kind: "lost" },
  { kind: "expired" },
  { kind: "cancelled" },
  { kind: "superseded" },
  { kind: "unreachable", uid },
);

describe("a copy, after any reports of one video in any order", () => {
  const size = fc.record({ bytes: fc.integer({ min: 0, max: 200 }), seconds: fc.integer({ min: 0, max: 120 }) });
  const life = size.chain(({ bytes, seconds }) =>
    fc.record({
      bytes: fc.constant(bytes),
      seconds: fc.constant(seconds),
      transitions: fc.array(fc.oneof({ weight: 3, arbitrary: reportsOf(bytes, seconds) }, OTHERS), { maxLength: 12 }),
    }),
  );

  it("is ready only within its reservation, and is to be deleted once it is known to exceed it", () => {
    fc.assert(
      fc.property(life, ({ bytes, seconds, transitions }) => {
        let copy: UploadProgress = {
          ...RESERVED,
          source: "copy",
          state: "reserved",
          deletionRequested: false,
          lost: false,
          measured: { bytes: false, seconds: false },
          rounds: 0,
        };
        for (const transition of transitions) {
          const report = "report" in transition ? transition.report : undefined;
          const isTold =
            (report?.kind === "ready" || report?.kind === "processing") &&
            ((report.bytes ?? 0) > RESERVED.bytes || (report.seconds ?? 0) > RESERVED.seconds);
          const after = applyTransition(copy, transition);
          if (isTold) expect(after.deletionRequested).toBe(true);
          if (isTold) expect(["failed", "cancelled", "deleted"]).toContain(after.state);
          if (after.state === "ready" && after.measured.bytes) expect(bytes).toBeLessThanOrEqual(RESERVED.bytes);
          if (after.state === "ready" && after.measured.seconds) expect(seconds).toBeLessThanOrEqual(RESERVED.seconds);
          const isBack = transition.kind === "restored" && after.rounds > copy.rounds;
          if (!isBack)
            expect(UPLOAD_STATES.indexOf(after.state)).toBeGreaterThanOrEqual(UPLOAD_STATES.indexOf(copy.state));
          copy = after;
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a copy that was missing at Stream", () => {
  it("is not restored if it is larger than was reserved", () => {
    const missing: UploadProgress = {
      ...RESERVED,
      source: "copy",
      state: "deleted",
      uid,
      deletionRequested: false,
      lost: false,
      measured: { bytes: false, seconds: false },
      rounds: 0,
    };
    const report = { kind: "ready", uid, bytes: RESERVED.bytes + 1 } as const;
    expect(applyTransition(missing, { kind: "restored", report })).toMatchObject({
      state: "deleted",
      deletionRequested: true,
    });
  });
});

describe("a clip, under any rule of maxdurationseconds", () => {
  const seconds = fc.integer({ min: 1, max: 100 });
  const rule = fc.record(
    {
      force: seconds,
      default: seconds,
      max: seconds,
      oneOf: fc.array(seconds, { minLength: 1, maxLength: 3 }),
      deny: fc.constant(true),
      onViolation: fc.constantFrom("reject", "clamp", "drop"),
    },
    { requiredKeys: [] },
  );

  it("is at most as long as an upload could ask for", () => {
    fc.assert(
      fc.property(rule, seconds, (maxdurationseconds, clipSeconds) => {
        const parsed = parsePolicy({ metadata: { maxdurationseconds } }, "policy");
        fc.pre(parsed.ok);
        const { result } = applyPolicy([parsed.value], {
          kind: "clip",
          length: 1,
          clipSeconds,
          metadata: new Map(),
          caller: { tenant: "acme", kind: "api-key" },
          now: NOON,
          bounds: STREAM_BOUNDS,
        });
        if (!result.ok) return;
        const { force, max, deny, oneOf } = maxdurationseconds;
        expect(result.value.maxDurationSeconds).toBe(clipSeconds);
        for (const most of [force, force === undefined ? max : undefined])
          if (most !== undefined) expect(clipSeconds).toBeLessThanOrEqual(most);
        if (deny && force === undefined && maxdurationseconds.default !== undefined && oneOf === undefined)
          expect(clipSeconds).toBeLessThanOrEqual(maxdurationseconds.default);
        if (oneOf && force === undefined) expect(clipSeconds).toBeLessThanOrEqual(Math.max(...oneOf));
      }),
      { numRuns: 2_000 },
    );
  });
});
