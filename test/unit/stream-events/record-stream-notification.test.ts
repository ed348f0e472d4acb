import { expect, it } from "vitest";
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

/** Tenants t000, t001, …, whose ledgers answer as they are told. */
function world({ tenants = 10, owner = "", down = [] as string[], granted = true, atStream = undefined as unknown }) {
  const ids = Array.from({ length: tenants }, (_, index) => `t${String(index).padStart(3, "0")}`);
  const asked: string[] = [];
  const told: StreamVideo[] = [];
  const columns: TraceFields = {};
  const ports: RecordForUpstreamPorts = {
    registry: { tenant: async (id) => ok(ids.includes(id) ? ({ id } as never) : undefined) },
    directory: { listTenantIds: async (_, { limit }) => ok(ids.slice(0, limit)) },
    ledgers: {
      async record(tenant, _, video) {
        asked.push(tenant);
        told.push(video);
        return down.includes(tenant) ? DOWN : ok(tenant === owner);
      },
    },
    budget: { acquire: async () => (granted ? { granted } : { granted, retryAfterSeconds: 1 }) },
    stream: {
      async video() {
        asked.push("Stream");
        return atStream as StreamVideo | undefined;
      },
    },
  };
  const trace = { annotate: (more: TraceFields) => void Object.assign(columns, more), measure: async () => never() };
  return { asked, told, columns, record: (event: StreamVideo) => recordForUpstream(ports, upstream, event, trace) };
}

function never(): never {
  throw new Error("This is not measured.");
}

it("goes straight to the ledger that the tag names", async () => {
  const { record, asked, columns } = world({ owner: "t005" });
  expect(await record(video({ tag: TAG }))).toEqual(ok("recorded"));
  expect(asked).toEqual(["t005"]);
  expect(columns).toEqual({ upstream: "eu", uid: "u1", streamEvent: "recorded", tenant: "t005" });
});

it("asks no other ledger where the one that is named does not agree, and none that is not there", async () => {
  for (const tag of [TAG, { tenant: "nobody", uploadId: "one" }]) {
    const { record, asked } = world({ owner: "t001" });
    expect(await record(video({ tag }))).toEqual(ok("unmanaged"));
    expect(asked).toEqual(tag === TAG ? ["t005"] : []);
  }
});

it("comes again where the ledger cannot be reached", async () => {
  const { record, columns } = world({ owner: "t005", down: ["t005"] });
  expect(await record(video({ tag: TAG }))).toEqual(DOWN);
  expect(columns).not.toHaveProperty("streamEvent");
});

it("asks no ledger of a video that has meta and no tag in it, be it in the event or at Stream", async () => {
  for (const event of [video(), video({ json: { meta: {} } }), video({ json: {} })]) {
    const { record, asked } = world({ owner: "t001", atStream: video() });
    expect(await record(event)).toEqual(ok("unmanaged"));
    expect(asked.filter((name) => name !== "Stream")).toEqual([]);
  }
});

it("asks the ledgers of a video whose meta nobody tells, some at a time, up to a bound", async () => {
  const found = world({ tenants: 300, owner: "t012", granted: false });
  expect(await found.record(video({ json: {} }))).toEqual(ok("recorded"));
  expect(found.asked.length).toBeLessThan(30);
  const beyond = world({ tenants: 300, owner: "t150", granted: false });
  expect(await beyond.record(video({ json: {} }))).toEqual(ok("unmanaged"));
  expect(beyond.asked).toHaveLength(100);
});

it("calls such a video a stranger only when all have said so", async () => {
  const bare = video({ json: {} });
  expect(await world({ tenants: 30, down: ["t003"] }).record(bare)).toEqual(DOWN);
  expect(await world({ tenants: 30, down: ["t003"], owner: "t025" }).record(bare)).toEqual(ok("recorded"));
});

it("asks Stream once for an event without meta, and records what Stream says now", async () => {
  const now = video({ tag: TAG });
  const { record, asked, told } = world({ owner: "t005", atStream: now });
  expect(await record(video({ json: {} }))).toEqual(ok("recorded"));
  expect(asked).toEqual(["Stream", "t005"]);
  expect(told).toEqual([now]);
});

it.each([
  ["has no call left in the budget", { granted: false, atStream: video({ tag: TAG }) }],
  ["does not answer", {}],
  ["no longer has it", { atStream: { report: { kind: "absent" } } }],
])("records the event as it is where Stream %s", async (_, stream) => {
  const { record, asked, told } = world({ owner: "t002", ...stream });
  const event = video({ json: {} });
  expect(await record(event)).toEqual(ok("recorded"));
  expect(asked.includes("Stream")).toBe(!("granted" in stream));
  expect(told.at(-1)).toBe(event);
});
