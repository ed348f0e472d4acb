import { describe, expect, it } from "vitest";
import type { CallDecision } from "../../../src/core/budget/rules/call-window.ts";
import type { VideoPage } from "../../../src/core/reconciliation/rules/comparison.ts";
import { problem } from "../../../src/core/shared/problem.ts";
import { err, ok } from "../../../src/core/shared/result.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import type { StreamVideo, VideoList } from "../../../src/core/stream/rules/video.ts";
import { searchLostUploads } from "../../../src/core/uploads/search-lost-uploads.ts";
import { NOON } from "../../support/policy-fixtures.ts";

/** Clips may have no tag of their own. */
const clip = (created: number): StreamVideo => ({
  report: { kind: "ready", uid: "f".repeat(32) },
  source: "clip",
  created,
  json: { clippedFrom: "a".repeat(32) },
});

const video = (uploadId: string, created: number, tenant = "acme"): StreamVideo => ({
  report: { kind: "pending", uid: uploadId.padStart(32, "0") },
  tag: { tenant, uploadId },
  created,
  json: {},
});
/** This many other videos in each second of the search range. */
const others = (perSecond: number) =>
  Array.from({ length: 240 * perSecond }, (_, index) =>
    video(`${index}`, NOON - 119 + Math.floor(index / perSecond), "other"),
  );

interface Options {
  /** Of the budget. */
  readonly calls?: number;
  /** Stream answers this many calls. */
  readonly silentAfter?: number;
  /** A video that is too large to read. */
  readonly large?: StreamVideo;
  readonly upstream?: Upstream | undefined;
  /** Created times by tenant; undefined: the ledger does not answer. */
  readonly lost?: Readonly<Record<string, readonly number[] | undefined>>;
}

/** Searches among these videos for the lost creations of some ledgers. */
async function search(videos: readonly StreamVideo[], options: Options = {}) {
  const { calls = Infinity, silentAfter = Infinity, large, lost = { acme: [NOON] } } = options;
  const upstream = "upstream" in options ? options.upstream : ({ id: "live", callsPerWindow: 1_140 } as Upstream);
  const requests: { readonly since: number; readonly before?: number }[] = [];
  const recorded: Record<string, (Omit<VideoPage, "videos"> & { readonly found: string[] })[]> = {};
  const oldestFirst = videos.toSorted((a, b) => (a.created ?? 0) - (b.created ?? 0));
  const outcome = await searchLostUploads(
    {
      registry: { upstream: () => Promise.resolve(ok(upstream)) },
      stream: {
        listVideosFrom(_, since, limit, { before = Infinity } = {}) {
          requests.push({ since, before });
          if (requests.length > silentAfter) return Promise.resolve(undefined);
          const matching = oldestFirst.filter(({ created = 0 }) => created >= since && created < before);
          if (large && matching.slice(0, limit).includes(large)) return Promise.resolve("unreadable" as const);
          const page: VideoList = { videos: matching.slice(0, limit), last: matching.length < limit };
          return Promise.resolve(page);
        },
      },
      budget: {
        acquire: (): Promise<CallDecision> =>
          Promise.resolve(requests.length < calls ? { granted: true } : { granted: false, retryAfterSeconds: 9 }),
      },
      ledgers: {
        lostCreations(tenant) {
          const times = lost[tenant];
          return Promise.resolve(times ? ok(times) : err(problem("ledger_unavailable", "")));
        },
        recordSearch(tenant, _, { videos: found, ...span }) {
          (recorded[tenant] ??= []).push({ ...span, found: found.map(({ tag }) => tag?.uploadId ?? "") });
          return Promise.resolve(ok(undefined));
        },
      },
    },
    "live",
    Object.keys(lost),
  );
  return { outcome, recorded, requests };
}

const WHOLE = { from: NOON, to: NOON };
const NOTHING = { from: 0, to: -1 };

describe("searchLostUploads", () => {
  it("shows clips without a tag to every ledger that has lost creations, and other videos without one to none", async () => {
    const { tag: _, ...stranger } = video("1", NOON);
    const lost = { acme: [NOON], other: [NOON] };
    const { recorded } = await search([clip(NOON), stranger, video("2", NOON)], { lost });
    expect(recorded["acme"]).toMatchObject([{ found: ["2", ""] }]);
    expect(recorded["other"]).toMatchObject([{ found: [""] }]);
  });

  it("finds videos by their tag within two minutes of the creation", async () => {
    const { outcome, recorded, requests } = await search([...others(1), video("lost", NOON + 3)]);
    expect(recorded).toEqual({ acme: [{ ...WHOLE, found: ["lost"] }] });
    expect(requests).toEqual([{ since: NOON - 120, before: NOON + 120 }]);
    expect(outcome).toEqual({ finished: [] });
  });

  it("searches once for the lost creations of all tenants", async () => {
    const lost = { acme: [NOON, NOON + 30], beta: [NOON + 40], gamma: [] };
    const { outcome, recorded, requests } = await search([video("a", NOON), video("b", NOON + 41, "beta")], { lost });
    const span = { from: NOON, to: NOON + 40 };
    expect(recorded).toEqual({ acme: [{ ...span, found: ["a"] }], beta: [{ ...span, found: ["b"] }] });
    expect(requests).toHaveLength(1);
    expect(outcome).toEqual({ finished: ["gamma"] });
  });

  it("searches separately around times that are far apart", async () => {
    const { recorded, requests } = await search([], { lost: { acme: [NOON, NOON - 3_600, NOON - 3_590] } });
    expect(requests.map(({ since }) => since)).toEqual([NOON - 3_720, NOON - 120]);
    expect(recorded["acme"]).toMatchObject([{ from: NOON - 3_600, to: NOON - 3_590 }, WHOLE]);
  });

  it("splits long outages, so that each search ends", async () => {
    const times = Array.from({ length: 20 }, (_, index) => NOON + 200 * index);
    const { recorded } = await search([], { lost: { acme: times } });
    expect(recorded["acme"]?.length).toBeGreaterThan(1);
    for (const { from, to } of recorded["acme"] ?? []) expect(to - from).toBeLessThanOrEqual(600);
    for (const time of times) expect(recorded["acme"]?.some(({ from, to }) => from <= time && time <= to)).toBe(true);
  });

  it("reads further pages when there are more videos than fit on one", async () => {
    const { recorded, requests } = await search([...others(5), video("lost", NOON + 100)]);
    expect(recorded).toEqual({ acme: [{ ...WHOLE, found: ["lost"] }] });
    expect(requests.length).toBeLessThan(10);
  });

  it("continues after a second that has more videos than fit on one page", async () => {
    const crowd = Array.from({ length: 400 }, (_, index) => video(`${index}`, NOON - 60, "other"));
    expect((await search([...crowd, video("lost", NOON + 1)])).recorded).toMatchObject({ acme: [{ found: ["lost"] }] });
  });

  it("proves nothing when Stream does not answer or there are too many videos", async () => {
    expect((await search(others(5), { silentAfter: 1 })).recorded).toEqual({ acme: [{ ...NOTHING, found: [] }] });
    const { recorded, requests } = await search(others(60));
    expect(recorded).toEqual({ acme: [{ ...NOTHING, found: [] }] });
    expect(requests).toHaveLength(8);
  });

  it("passes by a video that is too large to read", async () => {
    const large = video("large", NOON + 1, "other");
    const videos = [...others(1), large, video("lost", NOON + 3)];
    const { recorded, requests } = await search(videos, { large });
    expect(recorded).toEqual({ acme: [{ ...WHOLE, found: ["lost"] }] });
    expect(requests.length).toBeLessThan(300);
  });

  it("proves nothing when no list can be read", async () => {
    const large = video("large", NOON - 120, "other");
    const { recorded } = await search([large], { large, calls: 3 });
    expect(recorded).toEqual({ acme: [{ ...NOTHING, found: [] }] });
  });

  it("hands over what it has found, and waits, when the budget has no calls left", async () => {
    const { outcome, recorded } = await search([video("lost", NOON - 119), ...others(5)], { calls: 1 });
    expect(recorded).toEqual({ acme: [{ ...NOTHING, found: ["lost"] }] });
    expect(outcome).toEqual({ finished: [], waitSeconds: 9 });
  });

  it("settles the creations at an upstream that is no longer configured", async () => {
    const { recorded, requests } = await search([video("lost", NOON)], { upstream: undefined });
    expect(recorded).toEqual({ acme: [{ ...WHOLE, found: [] }] });
    expect(requests).toEqual([]);
  });

  it("keeps tenants whose ledger does not answer", async () => {
    const { outcome, recorded } = await search([], { lost: { acme: undefined } });
    expect([outcome, recorded]).toEqual([{ finished: [] }, {}]);
  });
});
