import { describe, expect, it } from "vitest";
import {
  type ExistingUpload,
  resolveIdempotency,
  withoutQuestions,
} from "../../../src/core/quota/rules/idempotency.ts";
import { CREATION_IN_PROGRESS } from "../../../src/core/quota/rules/reservation.ts";
import { NOON } from "../../support/policy-fixtures.ts";

const URL_LIFE = 1_800;
const issued: ExistingUpload = {
  id: "earlier",
  state: "issued",
  uid: "0".repeat(32),
  location: "https://upload.example/1",
  fingerprint: "f",
  created: NOON,
  expires: NOON + URL_LIFE,
  upstream: "default",
};
const reserved: ExistingUpload = { ...issued, state: "reserved", uid: null, location: null };
const unknown: ExistingUpload = { ...reserved, state: "unknown" };
const after = (state: ExistingUpload["state"]): ExistingUpload => ({ ...issued, state, location: null });

/** The outcome of a repeated creation some seconds after the first: the upload's id, or the problem. */
function answer(once: boolean, earlier: ExistingUpload, seconds: number, fingerprint = "f") {
  const outcome = resolveIdempotency({ key: "k", fingerprint, once }, earlier, NOON + seconds, 15);
  if (outcome.kind === "replayed") return outcome.id;
  return outcome.kind === "refused" ? outcome.problem.code : outcome.kind;
}

describe.each([
  ["an idempotency key", false, "idempotency_key_reused", "free"],
  ["a grant", true, "grant_used", "idempotency_key_reused"],
])("resolveIdempotency for %s", (_, once, finished, otherWhenFree) => {
  it.each<[string, ExistingUpload, number, string]>([
    ["is in progress", reserved, 0, "in progress"],
    ["is in progress for just under its deadline", reserved, 14, "in progress"],
    ["has no answer from Stream after its deadline", reserved, 15, "free"],
    ["has an unknown outcome", unknown, 1, "free"],
    ["has an unknown outcome, and a video", { ...unknown, uid: "0".repeat(32) }, 1, "free"],
    ["has a URL that is alive", issued, URL_LIFE - 61, "earlier"],
    ["has a URL that expires within a minute", issued, URL_LIFE - 60, "expiring"],
    ["has an expired URL", issued, URL_LIFE + 59, "expiring"],
    ["is overdue", issued, URL_LIFE + 70, "expiring"],
    ["is ready", after("ready"), 10, finished],
    ["failed", after("failed"), 10, finished],
    ["was deleted", after("deleted"), 10, finished],
    ["expired", after("expired"), URL_LIFE + 70, "free"],
    ["was cancelled", after("cancelled"), 10, "free"],
  ])("returns the outcome when its upload %s", (_, earlier, seconds, same) => {
    expect(answer(once, earlier, seconds)).toBe(same);
    expect(answer(once, earlier, seconds, "g")).toBe(same === "free" ? otherWhenFree : "idempotency_key_reused");
  });
});

describe("withoutQuestions", () => {
  it("refuses what the caller does not know", () => {
    const { kind, ...rest } = withoutQuestions({ kind: "in progress" });
    expect([kind, rest]).toEqual(["refused", { problem: CREATION_IN_PROGRESS }]);
    expect(withoutQuestions({ kind: "stale" })).toEqual({ kind: "stale" });
  });
});
