import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { listOldestVideos } from "../../../src/core/stream/list-oldest-videos.ts";
import type { StreamVideo, VideoList } from "../../../src/core/stream/rules/video.ts";
import { upstreamFixture } from "../../support/upstream-fixture.ts";

const FROM = 1_700_000_000;
const BEFORE = FROM + 1_000_000;
const MEGABYTE = 1_000_000;

interface Options {
  /** The most that can be read. */
  readonly maxBytes?: number;
  readonly calls?: number;
  /** Stream's answer to a call, instead of the list. */
  readonly answer?: (call: number) => "unreadable" | undefined | "list";
  readonly most?: number;
}

/** Lists videos of these creation times and sizes. */
async function list(videos: readonly (readonly [created: number, bytes: number])[], options: Options = {}) {
  const { maxBytes = 8 * MEGABYTE, calls = Infinity, answer = () => "list", most = 1_000 } = options;
  const limits: number[] = [];
  const page = await listOldestVideos(
    {
      budget: {
        acquire: async () => (limits.length < calls ? { granted: true } : { granted: false, retryAfterSeconds: 9 }),
      },
      stream: {
        async listVideosFrom(_, created, limit, { before = Infinity } = {}) {
          limits.push(limit);
          const given = answer(limits.length);
          if (given !== "list") return given;
          const matching = videos.filter(([time]) => time >= created && time < before).slice(0, limit);
          const bytes = matching.reduce((sum, [, size]) => sum + size, 0);
          if (bytes > maxBytes) return "unreadable";
          const listed = matching.map(([time]): StreamVideo => ({
            report: { kind: "pending", uid: `${time}` },
            created: time,
            json: {},
          }));
          return { videos: listed, last: listed.length < limit } satisfies VideoList;
        },
      },
    },
    upstreamFixture(),
    { from: FROM, before: BEFORE },
    most,
  );
  return { page, limits };
}

const many = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, index) => [FROM + index, bytes] as const);

describe("listOldestVideos", () => {
  it.each([
    [8_000, [1_000]],
    [16_000, [1_000, 250]],
    [MEGABYTE / 20, [1_000, 250, 50]],
    [MEGABYTE, [1_000, 250, 50, 1]],
  ])("lists fewer videos where a page with %d bytes per video is too large", async (bytes, expected) => {
    const { page, limits } = await list(many(1_000, bytes));
    expect(limits).toEqual(expected);
    expect(page).toMatchObject({ ok: true, value: { videos: { length: expected.at(-1) }, last: false } });
  });

  it("starts with the page that the caller wants", async () => {
    expect((await list(many(300, MEGABYTE), { most: 250 })).limits).toEqual([250, 50, 1]);
  });

  it("finds the second of a video that is too large by itself", async () => {
    const second = fc.integer({ min: FROM, max: BEFORE - 1 });
    await fc.assert(
      fc.asyncProperty(second, fc.integer({ min: 0, max: 3 }), async (created, more) => {
        const { page, limits } = await list([
          [created, 9 * MEGABYTE],
          ...many(more, 1).map(() => [created, 1] as const),
        ]);
        const skipped = `created ${new Date(created * 1_000).toISOString()}`;
        expect(page).toEqual({ ok: true, value: { videos: [{ skipped, created }], last: false } });
        expect(limits.length).toBeLessThanOrEqual(4 + 21);
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ["does not answer", undefined, 2],
    ["answers no list, not even of no videos", "unreadable" as const, 4 + 20],
  ])("returns stream_unavailable when Stream %s", async (_, answer, calls) => {
    const { page, limits } = await list([], { answer: () => answer });
    expect(page).toMatchObject({ ok: false, problem: { code: "stream_unavailable" } });
    expect(limits.length).toBeLessThanOrEqual(calls);
  });

  it("tries a smaller page once, since the deadline may be too short for a large one", async () => {
    const { page, limits } = await list(many(10, 1), { answer: (call) => (call === 1 ? undefined : "list") });
    expect([page.ok, limits]).toEqual([true, [1_000, 250]]);
  });

  it.each([0, 1, 3, 4, 10])("returns upstream_busy when the budget has %d calls left", async (calls) => {
    const { page } = await list([[FROM + 5, 9 * MEGABYTE]], { calls });
    expect(page).toMatchObject({ ok: false, problem: { code: "upstream_busy", retryAfterSeconds: 9 } });
  });

  it("returns stream_unavailable when Stream goes down while it looks for the video", async () => {
    const { page } = await list([[FROM + 5, 9 * MEGABYTE]], { answer: (call) => (call > 6 ? undefined : "list") });
    expect(page).toMatchObject({ ok: false, problem: { code: "stream_unavailable" } });
  });
});
