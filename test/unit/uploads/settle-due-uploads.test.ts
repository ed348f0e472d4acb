import { describe, expect, it } from "vitest";
import type { StreamApi } from "../../../src/core/ports/stream.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import { type SettleDuePorts, settleDueUploads } from "../../../src/core/uploads/settle-due-uploads.ts";
import type { DueOutcome, DueUpload } from "../../../src/core/uploads/rules/due-upload.ts";
import { ok } from "../../../src/core/shared/result.ts";
import { NOON } from "../../support/policy-fixtures.ts";

const due = (id: string): DueUpload => ({
  id,
  state: "issued",
  uid: id,
  location: null,
  upstream: "eu",
  bytes: 5,
  expires: NOON - 1_800,
  deletionRequested: false,
  failedDeletions: 0,
});

/** Settles one upload; all calls to Stream fail. */
async function settleWithoutAnswer(upload: DueUpload, upstream: Upstream | undefined, now: number) {
  const outcomes: DueOutcome[] = [];
  const ports = {
    registry: { tenant: () => Promise.resolve(ok(undefined)), upstream: () => Promise.resolve(ok(upstream)) },
    budget: { acquire: () => Promise.resolve({ granted: true }) } as unknown as SettleDuePorts["budget"],
    stream: { deleteVideo: () => Promise.resolve(false) } as Partial<StreamApi> as StreamApi,
    due: () => [upload],
    settle: (_: DueUpload, outcome: DueOutcome) => outcomes.push(outcome),
    now: () => now,
  };
  await settleDueUploads(ports, "acme");
  return outcomes;
}

describe("settleDueUploads", () => {
  it.each([
    [0, 30],
    [1, 120],
    [2, 600],
    [3, 1_800],
    [40, 1_800],
  ])(
    "retries a requested deletion after %i failures in %i seconds, long before the URL expires",
    async (failed, pause) => {
      const upload = { ...due("a"), expires: NOON + 20_000, deletionRequested: true, failedDeletions: failed };
      expect(await settleWithoutAnswer(upload, { id: "eu" } as Upstream, NOON)).toEqual([
        { deletionFailed: true, due: NOON + pause },
      ]);
    },
  );

  it("gives up the deletion at an upstream that is no longer configured", async () => {
    const upload = { ...due("a"), deletionRequested: true };
    expect(await settleWithoutAnswer(upload, undefined, NOON)).toMatchObject([{ due: NOON + 30 }]);
    expect(await settleWithoutAnswer(upload, undefined, NOON + 6 * 3_600)).toMatchObject([{ due: null }]);
  });

  it("stops after five minutes and leaves the remaining uploads due", async () => {
    let now = NOON;
    const settled: string[] = [];
    const ports = {
      registry: {
        tenant: () => Promise.resolve(ok(undefined)),
        upstream: () => Promise.resolve(ok({ id: "eu" } as Upstream)),
      },
      budget: { acquire: () => Promise.resolve({ granted: true }) } as unknown as SettleDuePorts["budget"],
      stream: {
        video(_, uid) {
          now += 200;
          return Promise.resolve({ report: { kind: "failed", uid }, json: {} });
        },
      } as Partial<StreamApi> as StreamApi,
      due: () => ["a", "b", "c", "d"].map(due),
      settle: ({ id }) => settled.push(id),
      now: () => now,
    } satisfies SettleDuePorts;
    expect(await settleDueUploads(ports, "acme")).toBeUndefined();
    expect(settled).toEqual(["a", "b"]);
  });
});
