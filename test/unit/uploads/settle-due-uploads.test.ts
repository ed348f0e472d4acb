import { describe, expect, it } from "vitest";
import type { StreamApi } from "../../../src/core/ports/stream.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import { type SettleDuePorts, settleDueUploads } from "../../../src/core/uploads/settle-due-uploads.ts";
import { type DueUpload } from "../../../src/core/uploads/rules/due-upload.ts";
import { ok } from "../../../src/core/shared/result.ts";
import { NOON } from "../../support/policy-fixtures.ts";

const due = (id: string): DueUpload => ({
  id,
  state: "issued",
  uid: id,
  location: null,
  creator: null,
  upstream: "eu",
  bytes: 5,
  created: NOON - 3_600,
  expires: NOON - 1_800,
  deletionRequested: false,
});

describe("settleDueUploads", () => {
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
