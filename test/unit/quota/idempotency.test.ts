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
  source: null,
  bytes: 100,
};
const basic: ExistingUpload = { ...issued, bytes: 200_000_000 };
const reserved: ExistingUpload = { ...issued, state: "reserved", uid: null, location: null };
const unknown: ExistingUpload = { ...reserved, state: "unknown" };
const after = (state: ExistingUpload["state"]): ExistingUpload => ({ ...issued, state, location: null });

/** The outcome of a repeated creation some seconds after the first: the upload's id, or the problem. */
function answer(once: boolean, earlier: ExistingUpload | undefined, seconds: number, fingerprint = "f", grant?: Grant) {
  const request = { key: "k", fingerprint, once, ...(grant && { perGrant: { prefix: "k", uploads: grant.uploads } }) };
  const outcome = resolveIdempotency(request, earlier, NOON + seconds, 15, () => grant?.reachable ?? 0);
  if (outcome.kind === "replayed") return outcome.id;
  return outcome.kind === "refused" ? outcome.problem.code : outcome.kind;
}

/** A grant: how many files it is for, and how many uploads with one of its keys can be reached. */
interface Grant {
  readonly uploads: number;
  readonly reachable: number;
}

describe.each([
  ["an idempotency key", false, "idempotency_key_reused"],
  ["a grant", true, "grant_used"],
])("resolveIdempotency for %s", (_, once, finished) => {
  it.each<[string, ExistingUpload, number, string]>([
    ["is in progress", reserved, 0, "in progress"],
    ["is in progress for just under its deadline", reserved, 14, "in progress"],
    ["has no answer from Stream after its deadline", reserved, 15, "free"],
    ["has an unknown outcome", unknown, 1, "free"],
    ["has an unknown outcome, and a video", { ...unknown, uid: "0".repeat(32) }, 1, "free"],
    ["has a URL that is alive", issued, URL_LIFE - 61, "earlier"],
    ["has a URL that expires within a minute", issued, URL_LIFE - 60, "expiring"],
    ["is a basic link that expires within a minute", basic, URL_LIFE - 1, "earlier"],
    ["is an expired basic link", basic, URL_LIFE, "expiring"],
    ["has an expired URL", issued, URL_LIFE + 59, "expiring"],
    ["is overdue", issued, URL_LIFE + 70, "expiring"],
    ["is ready", after("ready"), 10, finished],
    ["failed", after("failed"), 10, finished],
    ["was deleted", after("deleted"), 10, finished],
    ["expired", after("expired"), URL_LIFE + 70, "free"],
    ["was cancelled", after("cancelled"), 10, "free"],
  ])("returns the outcome when its upload %s", (_, earlier, seconds, same) => {
    expect(answer(once, earlier, seconds)).toBe(same);
    expect(answer(once, earlier, seconds, "g")).toBe(same === "free" ? "free" : "idempotency_key_reused");
  });
});

describe("resolveIdempotency for a file of a grant", () => {
  const cancelled = after("cancelled");

  it.each<[string, ExistingUpload | undefined, string, Grant, string]>([
    ["the first file", undefined, "f", { uploads: 1, reachable: 0 }, "free"],
    ["the last of two", undefined, "f", { uploads: 2, reachable: 1 }, "free"],
    ["a file too many", undefined, "f", { uploads: 1, reachable: 1 }, "grant_used"],
    ["a third of two", undefined, "f", { uploads: 2, reachable: 2 }, "grant_used"],
    ["a file again whose upload is live", issued, "f", { uploads: 1, reachable: 1 }, "earlier"],
    ["a file again whose upload is finished", after("ready"), "f", { uploads: 5, reachable: 1 }, "grant_used"],
    ["a file again after it was cancelled", cancelled, "f", { uploads: 1, reachable: 0 }, "free"],
    ["a file again, when another has taken its place", cancelled, "f", { uploads: 1, reachable: 1 }, "grant_used"],
    ["a file again whose creation was lost", unknown, "f", { uploads: 1, reachable: 0 }, "free"],
    ["another file under the same key", issued, "g", { uploads: 2, reachable: 1 }, "idempotency_key_reused"],
    ["a file too many under the same key", issued, "g", { uploads: 1, reachable: 1 }, "grant_used"],
    ["another file under the key of a cancelled one", cancelled, "g", { uploads: 1, reachable: 0 }, "free"],
  ])("answers %s", (_, earlier, fingerprint, grant, expected) => {
    expect(answer(true, earlier, 1, fingerprint, grant)).toBe(expected);
  });

  it.each([
    [1, "The grant is for one file, and it has its upload. Get a grant for each further file"],
    [3, "The grant is for 3 files, and it has all of its uploads. Get a grant for each further file"],
  ])("says what a grant for %i is for", (uploads, text) => {
    const request = { key: "k", fingerprint: "f", once: true, perGrant: { prefix: "k", uploads } };
    const outcome = resolveIdempotency(request, undefined, NOON, 15, () => uploads);
    expect(outcome).toMatchObject({ problem: { detail: expect.stringContaining(text) as string } });
  });
});

describe("withoutQuestions", () => {
  it("refuses what the caller does not know", () => {
    const { kind, ...rest } = withoutQuestions({ kind: "in progress" });
    expect([kind, rest]).toEqual(["refused", { problem: CREATION_IN_PROGRESS }]);
    expect(withoutQuestions({ kind: "stale" })).toEqual({ kind: "stale" });
  });
});
