import { describe, expect, it } from "vitest";
import { type ExistingUpload, resolveIdempotency } from "../../../src/core/quota/rules/idempotency.ts";
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
  due: NOON + URL_LIFE + 60,
};
const reserved: ExistingUpload = { ...issued, state: "reserved", uid: null, location: null };
const unknown: ExistingUpload = { ...reserved, state: "unknown" };
const after = (state: ExistingUpload["state"]): ExistingUpload => ({ ...issued, state, location: null, due: null });

/** The outcome of a repeated creation some seconds after the first: the upload's id, or the problem. */
function answer(once: boolean, earlier: ExistingUpload, seconds: number, fingerprint = "f") {
  const outcome = resolveIdempotency({ key: "k", fingerprint, once }, earlier, NOON + seconds);
  if (outcome?.kind === "replayed") return outcome.id;
  if (outcome?.kind !== "refused") return outcome?.kind;
  const { code, retryAfterSeconds } = outcome.problem;
  return retryAfterSeconds === undefined ? code : `${code}, ${retryAfterSeconds} s`;
}

describe.each([
  ["an idempotency key", false, "idempotency_key_reused", undefined],
  ["a grant", true, "grant_used", "idempotency_key_reused"],
])("resolveIdempotency for %s", (_, once, finished, otherWhenDead) => {
  it.each<[string, ExistingUpload, number, string | undefined]>([
    ["is in progress", reserved, 0, "creation_in_progress, 1 s"],
    ["is in progress for just under 30 s", reserved, 29, "creation_in_progress, 1 s"],
    ["was interrupted by a crash", reserved, 30, "creation_in_progress, 1830 s"],
    ["has an unknown outcome", unknown, 1, "creation_in_progress, 1859 s"],
    ["has no uid yet", { ...issued, uid: null }, 0, "creation_in_progress, 1860 s"],
    ["has no URL yet", { ...issued, location: null }, 0, "creation_in_progress, 1860 s"],
    ["has a URL that is alive", issued, URL_LIFE - 61, "earlier"],
    ["has a URL that expires within a minute", issued, URL_LIFE - 60, "creation_in_progress, 120 s"],
    ["has an expired URL and is not due yet", issued, URL_LIFE + 59, "creation_in_progress, 1 s"],
    ["is overdue", issued, URL_LIFE + 70, "creation_in_progress, 1 s"],
    ["is ready", after("ready"), 10, finished],
    ["failed", after("failed"), 10, finished],
    ["was deleted", after("deleted"), 10, finished],
    ["expired", after("expired"), URL_LIFE + 70, undefined],
    ["was cancelled", after("cancelled"), 10, undefined],
  ])("returns the outcome when its upload %s", (_, earlier, seconds, same) => {
    expect(answer(once, earlier, seconds)).toBe(same);
    const isDead = earlier.state === "expired" || earlier.state === "cancelled";
    expect(answer(once, earlier, seconds, "g")).toBe(isDead ? otherWhenDead : "idempotency_key_reused");
  });
});
