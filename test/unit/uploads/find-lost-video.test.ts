import { describe, expect, it } from "vitest";
import type { CallDecision } from "../../../src/core/budget/rules/call-window.ts";
import { findLostVideo } from "../../../src/core/uploads/find-lost-video.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import type { StreamVideo, VideoList } from "../../../src/core/stream/rules/video.ts";
import { NOON } from "../../support/policy-fixtures.ts";

/** The search for the video of a creation whose answer was lost, among the others of its time. */

const upstream = { id: "live" } as Upstream;
const lost = { uploadId: "lost", sentAt: NOON };
const video = (uploadId: string, created: number): StreamVideo => ({
  report: { kind: "pending", uid: uploadId.padStart(32, "0") },
  tag: { tenant: "acme", uploadId },
  created,
  json: {},
});
/** As many as that in each second of the span around the creation. */
const others = (perSecond: number) =>
  Array.from({ length: 240 * perSecond }, (_, index) => video(`${index}`, NOON - 119 + Math.floor(index / perSecond)));

/** A Stream that has these videos, and lists them as it does: by what was created later than a moment, and earlier. */
function ports(videos: readonly StreamVideo[], { calls = Infinity, silentAfter = Infinity } = {}) {
  const asked: { readonly since: number; readonly before?: number; readonly creator?: string }[] = [];
  const newestLast = videos.toSorted((a, b) => (a.created ?? 0) - (b.created ?? 0));
  const stream = {
    listVideosFrom(_: Upstream, since: number, limit: number, only: { before?: number; creator?: string } = {}) {
      asked.push({ since, ...only });
      if (asked.length > silentAfter) return Promise.resolve(undefined);
      const { before = Infinity } = only;
      const matching = newestLast.filter(({ created = 0 }) => created >= since && created < before);
      const page: VideoList = { videos: matching.slice(0, limit), last: matching.length < limit };
      return Promise.resolve(page);
    },
  };
  const budget = {
    acquire: (): Promise<CallDecision> =>
      Promise.resolve(asked.length < calls ? { granted: true } : { granted: false, retryAfterSeconds: 9 }),
  };
  return { stream, budget, asked };
}

describe("the search for a lost video", () => {
  it("finds it by its tag, within two minutes of the creation, among its creator's", async () => {
    const made = video("lost", NOON + 3);
    const { asked, ...few } = ports([...others(1), made]);
    expect(await findLostVideo(few, upstream, { ...lost, creator: "u" })).toEqual({ video: made });
    expect(asked[0]).toEqual({ since: NOON - 120, before: NOON + 120, creator: "u" });
  });

  it("goes on where there are more videos than Stream lists at once", async () => {
    const made = video("lost", NOON + 100);
    expect(await findLostVideo(ports([...others(5), made]), upstream, lost)).toEqual({ video: made });
    const { asked, ...many } = ports(others(5));
    expect(await findLostVideo(many, upstream, lost)).toEqual({ video: { report: { kind: "absent" } } });
    expect(asked.length).toBeLessThan(10);
  });

  it("goes on where a second has more videos than Stream lists at once", async () => {
    const crowd = Array.from({ length: 400 }, (_, index) => video(`${index}`, NOON - 60));
    const made = video("lost", NOON + 1);
    expect(await findLostVideo(ports([...crowd, made]), upstream, lost)).toEqual({ video: made });
  });

  it("says nothing where Stream does not, nor where there are too many videos", async () => {
    expect(await findLostVideo(ports(others(5), { silentAfter: 1 }), upstream, lost)).toEqual({ video: undefined });
    const { asked, ...many } = ports(others(60));
    expect(await findLostVideo(many, upstream, lost)).toEqual({ video: undefined });
    expect(asked).toHaveLength(20);
  });

  it("waits where the budget has no more calls", async () => {
    expect(await findLostVideo(ports(others(5), { calls: 1 }), upstream, lost)).toEqual({ waitSeconds: 9 });
  });
});
