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
  hasUrl: true,
  bytes: 5,
  expires: NOON - 1_800,
  deletionRequested: false,
  failedDeletions: 0,
});

/** Reads these uploads once; settled ones are no longer due. */
function once(uploads: readonly DueUpload[]): SettleDuePorts["due"] {
  const batches = [uploads];
  return () => batches.pop() ?? [];
}

/** Settles one upload; all calls to Stream fail. */
async function settleWithoutAnswer(upload: DueUpload, upstream: Upstream | undefined, now: number) {
  const outcomes: DueOutcome[] = [];
  const ports = {
    registry: { tenant: () => Promise.resolve(ok(undefined)), upstream: () => Promise.resolve(ok(upstream)) },
    budget: { acquire: () => Promise.resolve({ granted: true }) } as unknown as SettleDuePorts["budget"],
    stream: { deleteVideo: () => Promise.resolve(false) } as Partial<StreamApi> as StreamApi,
    due: once([upload]),
    beforeEach: () => undefined,
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

  it("stops after a minute and leaves the remaining uploads due", async () => {
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
      due: once(["a", "b", "c", "d"].map(due)),
      beforeEach: () => undefined,
      settle: ({ id }) => settled.push(id),
      now: () => now,
    } satisfies SettleDuePorts;
    expect(await settleDueUploads(ports, "acme")).toEqual(new Map());
    expect(settled).toEqual(["a"]);
  });

  it("settles the uploads of other upstreams while the budget of one is exhausted", async () => {
    const uploads = [...["a", "b", "c"].map(due), { ...due("d"), upstream: "us" }];
    const settled: string[] = [];
    const lostSettled: number[] = [];
    const ports: SettleDuePorts = {
      registry: {
        tenant: () => Promise.resolve(ok(undefined)),
        upstream: (id) => Promise.resolve(ok({ id } as Upstream)),
      },
      budget: {
        acquire: ({ id }: Upstream) =>
          Promise.resolve(id === "us" ? { granted: true } : { granted: false, retryAfterSeconds: 9 }),
      } as unknown as SettleDuePorts["budget"],
      stream: {
        video: (_, uid) => Promise.resolve({ report: { kind: "failed", uid }, json: {} }),
      } as Partial<StreamApi> as StreamApi,
      // Two at a time, the oldest first.
      due: (except) =>
        uploads.filter(({ id, upstream }) => !settled.includes(id) && !except.includes(upstream)).slice(0, 2),
      beforeEach: () => void lostSettled.push(settled.length),
      settle: ({ id }) => settled.push(id),
      now: () => NOON,
    };
    expect(await settleDueUploads(ports, "acme")).toEqual(new Map([["eu", NOON + 9]]));
    expect(settled).toEqual(["d"]);
    expect(lostSettled).toHaveLength(2);
  });
});
