import { describe, expect, it } from "vitest";
import { problem } from "../../../src/core/shared/problem.ts";
import { ok, err } from "../../../src/core/shared/result.ts";
import type { Reconciliation } from "../../../src/core/reconciliation/rules/sweep.ts";
import type { VideoPage } from "../../../src/core/reconciliation/rules/comparison.ts";
import type { StreamVideo, VideoList } from "../../../src/core/stream/rules/video.ts";
import { type ReconcilePorts, reconcile, reconcileAll } from "../../../src/core/reconciliation/reconcile.ts";
import { upstreamFixture } from "../../support/upstream-fixture.ts";

const NOW = 1_800_000_000;
const upstream = upstreamFixture();

function video(created: number, tenant?: string): StreamVideo {
  const uid = `${tenant}-${created}`;
  return { report: { kind: "pending", uid }, created, json: {}, ...(tenant && { tag: { tenant, uploadId: uid } }) };
}

/** The ports of a sweep: a Stream with these videos, these tenants, and a record of all comparisons. */
function world(videos: VideoList["videos"], tenants: readonly string[] = ["a", "b"], upstreams = ["eu"]) {
  const stored = {
    state: {} as Reconciliation,
    revision: 0,
    compared: [] as [string, VideoPage][],
    asked: [] as string[],
  };
  const faults = { stream: false, ledgers: [] as string[], calls: Number.POSITIVE_INFINITY, beforeWrite: () => {} };
  const ports: ReconcilePorts = {
    now: () => NOW,
    registry: { upstream: async (id) => ok({ ...upstream, id }) },
    directory: {
      listTenantIds: async (_, { after }) => ok(tenants.filter((id) => id > after && id !== "moved")),
      filterExistingTenants: async (ids) => ok(new Set(ids.filter((id) => tenants.includes(id)))),
      listUpstreamIds: async () => ok(upstreams),
    },
    budget: {
      acquire: async () => (faults.calls-- > 0 ? { granted: true } : { granted: false, retryAfterSeconds: 9 }),
    },
    stream: {
      async listVideosFrom(_, created, limit, { before = Number.POSITIVE_INFINITY } = {}) {
        if (faults.stream) return undefined;
        const listed = videos.filter((one) => (one.created ?? created) >= created && (one.created ?? 0) < before);
        return { videos: listed.slice(0, limit), last: listed.length < limit };
      },
    },
    ledgers: {
      async reconcile(tenant, _, page) {
        stored.asked.push(tenant);
        if (faults.ledgers.includes(tenant)) return err(problem("ledger_unavailable", "The ledger is down."));
        stored.compared.push([tenant, page]);
        return ok({ settled: 1, imported: 0, missing: 0 });
      },
    },
    reconciliations: {
      read: async () => ok({ revision: stored.revision, state: stored.state }),
      async write(_, revision, state) {
        faults.beforeWrite();
        if (revision !== stored.revision) return ok(false);
        Object.assign(stored, { state, revision: revision + 1 });
        return ok(true);
      },
    },
  };
  return { ports, stored, faults };
}

describe("reconcile", () => {
  it("lists a smaller page when a large one cannot be read", async () => {
    const { ports } = world(Array.from({ length: 600 }, (_, index) => video(1_700_000_000 + index, "a")));
    const list = ports.stream.listVideosFrom;
    const limits: number[] = [];
    const stream: ReconcilePorts["stream"] = {
      async listVideosFrom(upstream, created, limit, only) {
        limits.push(limit);
        return limit > 250 ? undefined : list(upstream, created, limit, only);
      },
    };
    expect(await reconcile({ ...ports, stream }, "eu", "now", 10)).toMatchObject({ outcome: "finished", videos: 600 });
    expect(new Set(limits)).toEqual(new Set([1_000, 250]));
  });

  it("compares every tenant of the upstream, also one without videos, and counts unmanaged videos", async () => {
    const videos = [video(1_700_000_000, "a"), video(1_700_000_001), video(1_700_000_002, "nobody"), video(NOW, "a")];
    const { ports, stored } = world(videos);
    const run = await reconcile(ports, "eu", "if due");
    expect(run).toEqual({
      upstream: "eu",
      outcome: "finished",
      pages: 1,
      videos: 3,
      settled: 2,
      imported: 0,
      missing: 0,
      unmanaged: 2,
      skipped: 0,
      skippedUids: [],
    });
    expect(stored.compared.map(([tenant, { videos }]) => [tenant, videos.length])).toEqual([
      ["a", 1],
      ["b", 0],
    ]);
    expect(stored.state.finished).toMatchObject({ startedAt: NOW, endedAt: NOW, videos: 3, unmanaged: 2 });
    expect(await reconcile(ports, "eu", "if due")).toEqual({ upstream: "eu", outcome: "not due" });
    expect(await reconcile(ports, "eu", "now")).toMatchObject({ outcome: "finished" });
  });

  it("counts the videos that a ledger disowns as unmanaged, once each", async () => {
    const videos = [1, 2, 3].map((second) => video(1_700_000_000 + second, "a"));
    const { ports } = world([...videos, video(1_700_000_050, "a")]);
    const ledgers: ReconcilePorts["ledgers"] = {
      async reconcile(tenant, upstream, page) {
        const compared = await ports.ledgers.reconcile(tenant, upstream, page);
        const unmanaged = page.videos.map(({ report }) => report.uid).filter((uid) => !uid.endsWith("2"));
        // The page ends within the margin of the next.
        const to = page.from <= 1_700_000_010 ? { to: 1_700_000_010 } : {};
        return compared.ok ? ok({ ...compared.value, unmanaged, ...to }) : compared;
      },
    };
    expect(await reconcile({ ...ports, ledgers }, "eu", "now")).toMatchObject({ videos: 4, unmanaged: 3 });
  });

  it("compares a former tenant of the upstream when its videos are still there", async () => {
    const { ports, stored } = world([video(1_700_000_000, "moved")], ["a", "moved"]);
    expect(await reconcile(ports, "eu", "now")).toMatchObject({ unmanaged: 0 });
    expect(stored.compared.map(([tenant]) => tenant)).toEqual(["moved", "a"]);
  });

  it("continues in the next run without a gap", async () => {
    const videos = Array.from({ length: 4_000 }, (_, index) => video(1_700_000_000 + index, index % 2 ? "a" : "b"));
    const { ports, stored } = world(videos);
    const outcomes: string[] = [];
    for (let run = 0; run < 3; run++) outcomes.push((await reconcile(ports, "eu", "if due")).outcome);
    expect(outcomes).toEqual(["going on", "going on", "finished"]);
    expect(stored.state.finished).toMatchObject({ videos: 4_000, pages: 5 });
    const spans = stored.compared.filter(([tenant]) => tenant === "a").map(([, { from, to }]) => ({ from, to }));
    for (const [index, { from }] of spans.entries()) if (index > 0) expect(from).toBe((spans[index - 1]?.to ?? 0) + 1);
  });

  it("advances as far as the slowest ledger, and counts nothing twice", async () => {
    const videos = Array.from({ length: 20 }, (_, index) => video(1_700_000_000 + index, "a"));
    const { ports, stored } = world(videos, ["a", "b", "c"]);
    const ledgers: ReconcilePorts["ledgers"] = {
      async reconcile(tenant, upstream, page) {
        const compared = await ports.ledgers.reconcile(tenant, upstream, page);
        const to = { b: 1_700_000_009, c: 1_700_000_015 }[tenant];
        return compared.ok && to !== undefined && page.from <= to ? ok({ ...compared.value, to }) : compared;
      },
    };
    expect(await reconcile({ ...ports, ledgers }, "eu", "now", 3)).toMatchObject({
      outcome: "finished",
      pages: 3,
      videos: 20,
    });
    const spans = stored.compared.filter(([tenant]) => tenant === "b").map(([, { from }]) => from);
    expect(spans.slice(1)).toEqual([1_700_000_010, 1_700_000_016]);
  });

  it("compares more than 1,000 tenants, each ledger no further than the ledgers before it", async () => {
    const tenants = Array.from({ length: 1_001 }, (_, index) => `t${String(index).padStart(4, "0")}`);
    const { ports, stored } = world([video(1_700_000_000, "t0000"), video(1_700_000_100, "t0000")], tenants);
    const directory: ReconcilePorts["directory"] = {
      ...ports.directory,
      listTenantIds: async (_, { after, limit }) => ok(tenants.filter((id) => id > after).slice(0, limit)),
    };
    const ledgers: ReconcilePorts["ledgers"] = {
      async reconcile(tenant, upstream, page) {
        const compared = await ports.ledgers.reconcile(tenant, upstream, page);
        const slow = compared.ok && tenant === "t0000" && page.from < 1_700_000_050;
        return slow ? ok({ ...compared.value, to: 1_700_000_050 }) : compared;
      },
    };
    await reconcile({ ...ports, directory, ledgers }, "eu", "now", 1);
    expect(stored.compared.map(([tenant]) => tenant)).toEqual(tenants);
    expect(stored.compared.at(-1)?.[1].to).toBe(1_700_000_050);
  });

  it("keeps its cursor while Stream is down, and stores when and why it failed", async () => {
    const { ports, stored, faults } = world([video(1_700_000_000, "a")]);
    faults.stream = true;
    expect(await reconcile(ports, "eu", "if due")).toMatchObject({ outcome: "failed", pages: 0 });
    expect(stored.state).toEqual({ failure: { at: NOW, reason: expect.stringContaining("Stream") } });
    faults.stream = false;
    expect(await reconcile(ports, "eu", "if due")).toMatchObject({ outcome: "finished", videos: 1 });
  });

  it("passes by a ledger that fails twice: compares the others, and reports its videos", async () => {
    const videos = Array.from({ length: 60 }, (_, index) => video(1_700_000_000 + index, index % 2 ? "a" : "b"));
    const { ports, stored, faults } = world(videos, ["a", "b", "c"]);
    faults.ledgers = ["b"];
    const run = await reconcile(ports, "eu", "now");
    expect(run).toMatchObject({ outcome: "finished", reason: "b: The ledger is down.", videos: 60, skipped: 30 });
    expect(run.skippedUids).toHaveLength(20);
    expect(run.skippedUids?.at(-1)).toBe("b-1700000058");
    expect(stored.compared.map(([tenant]) => tenant)).toEqual(["a", "c"]);
    expect(stored.asked.filter((tenant) => tenant === "b")).toHaveLength(2);
    expect(stored.state.failure).toEqual({ at: NOW, reason: "b: The ledger is down." });
    expect(stored.state.finished).toMatchObject({ skipped: 30, skippedUids: run.skippedUids });

    faults.ledgers = [];
    expect(await reconcile(ports, "eu", "now")).toMatchObject({ outcome: "finished", skipped: 0, skippedUids: [] });
  });

  it("passes by the only ledger, too, so that its sweep ends", async () => {
    const { ports, faults } = world([video(1_700_000_000, "a")], ["a"]);
    faults.ledgers = ["a"];
    expect(await reconcile(ports, "eu", "now")).toMatchObject({ outcome: "finished", skippedUids: ["a-1700000000"] });
  });

  it("does not advance while all of several ledgers fail", async () => {
    const videos = Array.from({ length: 1_500 }, (_, index) => video(1_700_000_000 + index, "a"));
    const { ports, stored, faults } = world(videos);
    await reconcile(ports, "eu", "now", 1);
    const { cursor } = stored.state.running ?? {};
    faults.ledgers = ["a", "b"];
    expect(await reconcile(ports, "eu", "now")).toMatchObject({ outcome: "failed", reason: "b: The ledger is down." });
    expect(stored.state.running?.cursor).toBe(cursor);
    faults.ledgers = [];
    expect(await reconcile(ports, "eu", "now")).toMatchObject({ outcome: "finished" });
    expect(stored.state.finished).toMatchObject({ videos: 1_500, skipped: 0 });
    expect(stored.state.failure).toMatchObject({ reason: "b: The ledger is down." });
  });

  it("passes by what is no video and what nests too deep, and still compares the latter", async () => {
    const deep: StreamVideo = { ...video(1_700_000_001, "a"), tooDeep: true };
    const odd = { skipped: "no uid", created: 1_700_000_002 };
    const { ports, stored } = world([video(1_700_000_000, "a"), deep, odd, { skipped: "unknown" }]);
    expect(await reconcile(ports, "eu", "now")).toMatchObject({
      outcome: "finished",
      videos: 4,
      unmanaged: 0,
      skipped: 3,
      skippedUids: ["a-1700000001", "no uid", "unknown"],
    });
    expect(stored.compared[0]?.[1].videos).toEqual([video(1_700_000_000, "a"), deep]);
  });

  it("advances over pages without a single video that can be taken in", async () => {
    const odd = Array.from({ length: 3_000 }, (_, index) => ({ skipped: `${index}`, created: 1_700_000_000 + index }));
    const { ports, stored } = world(odd);
    expect(await reconcile(ports, "eu", "now", 5)).toMatchObject({
      outcome: "finished",
      videos: 3_000,
      skipped: 3_000,
    });
    expect(stored.state.finished?.skippedUids?.at(-1)).toBe("2999");
  });

  it("goes on with the counts of a sweep that version 0.1 has begun", async () => {
    const { ports, stored } = world([video(1_700_000_000, "a")]);
    const counts = { pages: 1, videos: 5, settled: 0, imported: 0, missing: 0, unmanaged: 0 };
    stored.state = { running: { startedAt: NOW, cursor: 1_600_000_000, until: NOW - 600, ...counts } };
    expect(await reconcile(ports, "eu", "now")).toMatchObject({ videos: 1, skipped: 0, skippedUids: [] });
    expect(stored.state.finished).toMatchObject({ pages: 2, videos: 6, skipped: 0, skippedUids: [] });
  });

  it("passes by one video that is too large to read, and compares those around it", async () => {
    const videos = Array.from({ length: 300 }, (_, index) => video(1_700_000_000 + 50 * index, "a"));
    const large = 1_700_000_000 + 50 * 200;
    const { ports, stored } = world(videos);
    const stream: ReconcilePorts["stream"] = {
      async listVideosFrom(...args) {
        const page = await ports.stream.listVideosFrom(...args);
        return typeof page === "object" && page.videos.some(({ created }) => created === large) ? "unreadable" : page;
      },
    };
    const run = await reconcile({ ...ports, stream }, "eu", "now", 200);
    expect(run).toMatchObject({
      outcome: "finished",
      videos: 300,
      skipped: 1,
      skippedUids: [`created ${new Date(large * 1_000).toISOString()}`],
    });
    const compared = new Set(stored.compared.flatMap(([, { videos }]) => videos.map(({ created }) => created)));
    expect(compared.size).toBe(299);
    // Each second once, whatever the size of the page.
    const spans = stored.compared.filter(([tenant]) => tenant === "a").map(([, { from, to }]) => ({ from, to }));
    for (const [index, { from }] of spans.entries()) if (index > 0) expect(from).toBe((spans[index - 1]?.to ?? 0) + 1);
  });

  it("waits without a failure when the budget is used up", async () => {
    const videos = Array.from({ length: 1_500 }, (_, index) => video(1_700_000_000 + index, "a"));
    const { ports, stored, faults } = world(videos);
    faults.calls = 1;
    expect(await reconcile(ports, "eu", "now")).toMatchObject({ outcome: "waiting for the budget", pages: 1 });
    expect(stored.state.running).toMatchObject({ pages: 1 });
    expect(stored.state.failure).toBeUndefined();
  });

  it("stops when another run has written first", async () => {
    const { ports, stored, faults } = world([video(1_700_000_000, "a")]);
    faults.beforeWrite = () => void stored.revision++;
    expect(await reconcile(ports, "eu", "now")).toMatchObject({ outcome: "overtaken", pages: 0 });
    expect(stored.state).toEqual({});
  });
});

describe("reconcileAll", () => {
  it("starts with another upstream each minute, and shares its pages among all of them", async () => {
    const { ports, stored } = world([], ["a"], ["one", "two", "three"]);
    const firsts: string[] = [];
    for (let minute = 0; minute < 3; minute++) {
      Object.assign(stored, { state: {}, revision: 0 });
      const runs = await reconcileAll({ ...ports, now: () => NOW + minute * 60 });
      firsts.push(runs.ok ? (runs.value[0]?.upstream ?? "") : "");
    }
    expect(firsts.toSorted()).toEqual(["one", "three", "two"]);
    Object.assign(stored, { state: {}, revision: 0 });
    // All share one row in this test, so nothing is due for the second.
    const runs = await reconcileAll(ports);
    expect(runs.ok && runs.value.map(({ outcome }) => outcome)).toEqual(["finished", "not due", "not due"]);
  });
});
