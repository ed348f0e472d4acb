import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TenantLedger } from "../../../src/durable-objects/tenant-ledger/tenant-ledger.ts";
import { tagged } from "../support/ledger.ts";
import { GOLDEN_TIME, type GoldenCall, LEDGER_CALLS, goldenId, replay } from "./golden.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: GOLDEN_TIME * 1000 }));
afterEach(() => void vi.useRealTimers());

describe("TenantLedger, called by an older Worker", () => {
  it.each([...new Set(LEDGER_CALLS.map(({ method }) => method))])("has the method %s", (method) => {
    expect(Object.getOwnPropertyNames(TenantLedger.prototype)).toContain(method);
  });

  it("accepts the arguments of each call and answers in the same shape", async () => {
    const ledger = env.LEDGER.getByName("golden");
    // A lost creation ends otherwise now: the video that turns up is deleted.
    for (const call of await withSignedTags(LEDGER_CALLS.filter(({ method }) => method !== "leaveUnknown")))
      expect(withoutTexts(await replay(ledger, call)), call.name).toStrictEqual(withoutTexts(call.answer));
  });
});

/** An unsigned tag imports no video now, and brings no uid to an upload. */
async function withSignedTags(calls: readonly GoldenCall[]): Promise<GoldenCall[]> {
  const signed = new Map<string, object>();
  for (const id of [4, 7].map(goldenId)) signed.set(id, await tagged({ name: "golden" }, id));
  return JSON.parse(JSON.stringify(calls), (_, value: { tag?: { uploadId: string } } | null) =>
    value?.tag ? { ...value, ...signed.get(value.tag.uploadId) } : value,
  ) as GoldenCall[];
}

const NEW_FIELDS: ReadonlySet<string> = new Set(["deleting", "subject", "namespace"]);

/**
 * Outcomes of reservations are JSON. The texts of their problems may be reworded, and their pauses changed. Uploads, also those of
 * events, may have more fields, and lost creations do not count any more.
 */
function withoutTexts(answer: unknown): unknown {
  if (typeof answer === "object")
    return JSON.parse(JSON.stringify(answer), (field, value: unknown) =>
      NEW_FIELDS.has(field) ? undefined : field === "uploads" && typeof value === "number" ? "a number" : value,
    );
  if (typeof answer !== "string" || !answer.startsWith("{")) return answer;
  const outcome = JSON.parse(answer) as { problem?: { detail?: string; retryAfterSeconds?: number } };
  if (outcome.problem?.detail !== undefined) outcome.problem.detail = expect.any(String);
  if (outcome.problem?.retryAfterSeconds !== undefined) outcome.problem.retryAfterSeconds = expect.any(Number);
  return outcome;
}
