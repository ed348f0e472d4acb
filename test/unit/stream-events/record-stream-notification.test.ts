import { describe, expect, it } from "vitest";
import { problem } from "../../../src/core/shared/problem.ts";
import { ok, err } from "../../../src/core/shared/result.ts";
import type { TraceFields } from "../../../src/core/ports/trace.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import type { StreamVideo } from "../../../src/core/stream/rules/video.ts";
import {
  type RecordStreamNotificationPorts,
  recordStreamNotification,
} from "../../../src/core/stream-events/record-stream-notification.ts";

const upstream = { id: "eu", accountId: "account" } as Upstream;
const DOWN = err(problem("ledger_unavailable", "down"));
const META = { meta: { name: "x" } };
const TAG = { tenant: "t005", uploadId: "one" };

function video(more: Partial<StreamVideo> = {}): StreamVideo {
  return { report: { kind: "ready", uid: "u1", seconds: 5 }, json: META, ...more };
}

/** Tenants t000, t001, …; the ledger of `owner` records the videos of its upstream, those in `down` fail. */
function setUp({
  tenants = 10,
  upstreams = ["eu"],
  owner = "",
  ofUpstream = "eu",
  down = [] as string[],
  granted = true,
  unseen = "",
  atStream = undefined as unknown,
}) {
  const ids = Array.from({ length: tenants }, (_, index) => `t${String(index).padStart(3, "0")}`);
  const called: string[] = [];
  const recorded: StreamVideo[] = [];
  const columns: TraceFields = {};
  const ports: RecordStreamNotificationPorts = {
    registry: {
      tenant: async (id) => ok(ids.includes(id) && id !== unseen ? ({ id } as never) : undefined),
      upstream: async (id) => ok({ ...upstream, id }),
      uncached: { tenant: async (id) => ok(ids.includes(id) ? ({ id } as never) : undefined) },
    },
    directory: {
      listTenantIds: async (_, { limit }) => ok(ids.slice(0, limit)),
      listUpstreamIds: async () => ok(upstreams),
    },
    ledgers: {
      async record(tenant, upstream, video) {
        called.push(upstream === "eu" ? tenant : `${tenant} ${upstream}`);
        recorded.push(video);
        return down.includes(tenant) ? DOWN : ok(tenant === owner && upstream === ofUpstream);
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
    record: (notification: StreamVideo) => recordStreamNotification(ports, upstream, notification, trace),
  };
}

function never(): never {
  throw new Error("No step is measured here.");
}

describe("recordStreamNotification", () => {
  it("calls only the ledger in the tag", async () => {
    const { record, called, columns } = setUp({ owner: "t005" });
    expect(await record(video({ tag: TAG }))).toEqual(ok("recorded"));
    expect(called).toEqual(["t005"]);
    expect(columns).toEqual({ upstream: "eu", uid: "u1", streamEvent: "recorded", tenant: "t005" });
  });

  it("calls the ledger of a tenant that was made since this isolate has looked for it", async () => {
    const { record, called } = setUp({ tenants: 200, owner: "t150", unseen: "t150" });
    expect(await record(video({ tag: { ...TAG, tenant: "t150" } }))).toEqual(ok("recorded"));
    expect(called).toEqual(["t150"]);
  });

  it("searches by uid when the tag names another ledger or none, since anyone may have edited it", async () => {
    for (const tag of [TAG, { tenant: "nobody", uploadId: "one" }]) {
      const { record, called, columns } = setUp({ owner: "t001" });
      expect(await record(video({ tag }))).toEqual(ok("recorded"));
      expect(called[0]).toBe(tag === TAG ? "t005" : "t000");
      expect(columns).toMatchObject({ tenant: "t001", upstream: "eu" });
    }
  });

  it("tries the tag on every upstream of the account before it searches by uid", async () => {
    const upstreams = ["eu", "us", "asia"];
    const tagged = setUp({ tenants: 100, upstreams, owner: "t005", ofUpstream: "asia" });
    expect(await tagged.record(video({ tag: TAG }))).toEqual(ok("recorded"));
    expect(tagged.called).toEqual(["t005", "t005 us", "t005 asia"]);
    expect(tagged.columns).toMatchObject({ tenant: "t005", upstream: "asia" });
    const untagged = setUp({ tenants: 2, upstreams, owner: "t001", ofUpstream: "us" });
    expect(await untagged.record(video())).toEqual(ok("recorded"));
    expect(untagged.called).toEqual(["t000", "t001", "t000 us", "t001 us"]);
  });

  it.each(["pending", "processing"] as const)("does not search by uid for a video that is %s", async (kind) => {
    const { record, called } = setUp({ owner: "t001" });
    expect(await record(video({ report: { kind, uid: "u1" } }))).toEqual(ok("unmanaged"));
    expect(called).toEqual([]);
  });

  it("returns the problem when the ledger cannot be reached", async () => {
    const { record, columns } = setUp({ owner: "t005", down: ["t005"] });
    expect(await record(video({ tag: TAG }))).toEqual(DOWN);
    expect(columns).not.toHaveProperty("streamEvent");
  });

  it("searches by uid when the meta has no tag, in the notification or at Stream", async () => {
    for (const notification of [video(), video({ json: { meta: {} } }), video({ json: {} })]) {
      const { record, called } = setUp({ owner: "t001", atStream: video() });
      expect(await record(notification)).toEqual(ok("recorded"));
      expect(called.includes("Stream")).toBe(!notification.json["meta"]);
    }
  });

  it("searches at most 100 ledgers, 10 at a time, when there is no tag", async () => {
    const within = setUp({ tenants: 300, owner: "t012" });
    expect(await within.record(video())).toEqual(ok("recorded"));
    expect(within.called.length).toBeLessThan(30);
    const beyond = setUp({ tenants: 300, owner: "t150" });
    expect(await beyond.record(video())).toEqual(ok("unmanaged"));
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
