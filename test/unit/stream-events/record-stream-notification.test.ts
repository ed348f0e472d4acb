import { describe, expect, it } from "vitest";
import { problem } from "../../../src/core/shared/problem.ts";
import { ok, err } from "../../../src/core/shared/result.ts";
import type { TraceFields } from "../../../src/core/ports/trace.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import type { StreamVideo } from "../../../src/core/stream/rules/video.ts";
import {
  type RecordForUpstreamPorts,
  recordForUpstream,
} from "../../../src/core/stream-events/record-stream-notification.ts";

const upstream = { id: "eu" } as Upstream;
const DOWN = err(problem("ledger_unavailable", "down"));
const META = { meta: { name: "x" } };
const TAG = { tenant: "t005", uploadId: "one" };

function video(more: Partial<StreamVideo> = {}): StreamVideo {
  return { report: { kind: "ready", uid: "u1", seconds: 5 }, json: META, ...more };
}

/** Tenants t000, t001, …; the ledger of `owner` records videos, those in `down` fail. */
function setUp({ tenants = 10, owner = "", down = [] as string[], granted = true, atStream = undefined as unknown }) {
  const ids = Array.from({ length: tenants }, (_, index) => `t${String(index).padStart(3, "0")}`);
  const called: string[] = [];
  const recorded: StreamVideo[] = [];
  const columns: TraceFields = {};
  const ports: RecordForUpstreamPorts = {
    registry: { tenant: async (id) => ok(ids.includes(id) ? ({ id } as never) : undefined) },
    directory: { listTenantIds: async (_, { limit }) => ok(ids.slice(0, limit)) },
    ledgers: {
      async record(tenant, _, video) {
        called.push(tenant);
        recorded.push(video);
        return down.includes(tenant) ? DOWN : ok(tenant === owner);
      },
    },
    budget: { acquire: async () => (granted ? { granted } : { granted, retryAfterSeconds: 1 }) },
    stream: {
      async video() {
        called.push("Stream");
        return atStream as StreamVideo | undefined;
      },
    },
  };
  const trace = { annotate: (more: TraceFields) => void Object.assign(columns, more), measure: async () => never() };
  return {
    called,
    recorded,
    columns,
    record: (notification: StreamVideo) => recordForUpstream(ports, upstream, notification, trace),
  };
}

function never(): never {
  throw new Error("No step is measured here.");
}

describe("recordForUpstream", () => {
  it("calls only the ledger in the tag", async () => {
    const { record, called, columns } = setUp({ owner: "t005" });
    expect(await record(video({ tag: TAG }))).toEqual(ok("recorded"));
    expect(called).toEqual(["t005"]);
    expect(columns).toEqual({ upstream: "eu", uid: "u1", streamEvent: "recorded", tenant: "t005" });
  });

  it("calls no other ledger when the one in the tag has no such upload, and none when the tenant does not exist", async () => {
    for (const tag of [TAG, { tenant: "nobody", uploadId: "one" }]) {
      const { record, called } = setUp({ owner: "t001" });
      expect(await record(video({ tag }))).toEqual(ok("unmanaged"));
      expect(called).toEqual(tag === TAG ? ["t005"] : []);
    }
  });

  it("returns the problem when the ledger cannot be reached", async () => {
    const { record, columns } = setUp({ owner: "t005", down: ["t005"] });
    expect(await record(video({ tag: TAG }))).toEqual(DOWN);
    expect(columns).not.toHaveProperty("streamEvent");
  });

  it("calls no ledger when the meta has no tag, in the notification or at Stream", async () => {
    for (const notification of [video(), video({ json: { meta: {} } }), video({ json: {} })]) {
      const { record, called } = setUp({ owner: "t001", atStream: video() });
      expect(await record(notification)).toEqual(ok("unmanaged"));
      expect(called.filter((name) => name !== "Stream")).toEqual([]);
    }
  });

  it("searches at most 100 ledgers, 10 at a time, when the meta is unknown", async () => {
    const within = setUp({ tenants: 300, owner: "t012", granted: false });
    expect(await within.record(video({ json: {} }))).toEqual(ok("recorded"));
    expect(within.called.length).toBeLessThan(30);
    const beyond = setUp({ tenants: 300, owner: "t150", granted: false });
    expect(await beyond.record(video({ json: {} }))).toEqual(ok("unmanaged"));
    expect(beyond.called).toHaveLength(100);
  });

  it("returns unmanaged only when every ledger has answered", async () => {
    const bare = video({ json: {} });
    expect(await setUp({ tenants: 30, down: ["t003"] }).record(bare)).toEqual(DOWN);
    expect(await setUp({ tenants: 30, down: ["t003"], owner: "t025" }).record(bare)).toEqual(ok("recorded"));
  });

  it("reads the video from Stream once when the notification has no meta, and records that", async () => {
    const now = video({ tag: TAG });
    const { record, called, recorded } = setUp({ owner: "t005", atStream: now });
    expect(await record(video({ json: {} }))).toEqual(ok("recorded"));
    expect(called).toEqual(["Stream", "t005"]);
    expect(recorded).toEqual([now]);
  });

  it.each([
    ["has no call left in its budget", { granted: false, atStream: video({ tag: TAG }) }],
    ["does not answer", {}],
    ["no longer has it", { atStream: { report: { kind: "absent" } } }],
  ])("records the notification as it is when Stream %s", async (_, stream) => {
    const { record, called, recorded } = setUp({ owner: "t002", ...stream });
    const notification = video({ json: {} });
    expect(await record(notification)).toEqual(ok("recorded"));
    expect(called.includes("Stream")).toBe(!("granted" in stream));
    expect(recorded.at(-1)).toBe(notification);
  });
});
