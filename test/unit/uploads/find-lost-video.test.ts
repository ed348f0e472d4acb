import { describe, expect, it } from "vitest";
import type { CallDecision } from "../../../src/core/budget/rules/call-window.ts";
import { findLostVideo } from "../../../src/core/uploads/find-lost-video.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import type { StreamVideo, VideoList } from "../../../src/core/stream/rules/video.ts";
import { NOON } from "../../support/policy-fixtures.ts";

const upstream = { id: "live" } as Upstream;
const lost = { uploadId: "lost", sentAt: NOON };
const video = (uploadId: string, created: number): StreamVideo => ({
  report: { kind: "pending", uid: uploadId.padStart(32, "0") },
  tag: { tenant: "acme", uploadId },
  created,
  json: {},
});
/** This many other videos in each second of the search range. */
const others = (perSecond: number) =>
  Array.from({ length: 240 * perSecond }, (_, index) => video(`${index}`, NOON - 119 + Math.floor(index / perSecond)));

/** A Stream with these videos that fails after `silentAfter` calls, and a budget of `calls` calls. */
function ports(videos: readonly StreamVideo[], { calls = Infinity, silentAfter = Infinity } = {}) {
  const requests: { readonly since: number; readonly before?: number; readonly creator?: string }[] = [];
  const newestLast = videos.toSorted((a, b) => (a.created ?? 0) - (b.created ?? 0));
  const stream = {
    listVideosFrom(_: Upstream, since: number, limit: number, only: { before?: number; creator?: string } = {}) {
      requests.push({ since, ...only });
      if (requests.length > silentAfter) return Promise.resolve(undefined);
      const { before = Infinity } = only;
      const matching = newestLast.filter(({ created = 0 }) => created >= since && created < before);
      const page: VideoList = { videos: matching.slice(0, limit), last: matching.length < limit };
      return Promise.resolve(page);
    },
  };
  const budget = {
    acquire: (): Promise<CallDecision> =>
      Promise.resolve(requests.length < calls ? { granted: true } : { granted: false, retryAfterSeconds: 9 }),
  };
  return { stream, budget, requests };
}

describe("findLostVideo", () => {
  it("finds the video by its tag among those of the same creator within two minutes of the creation", async () => {
    const lostVideo = video("lost", NOON + 3);
    const { requests, ...few } = ports([...others(1), lostVideo]);
    expect(await findLostVideo(few, upstream, { ...lost, creator: "u" })).toEqual({ video: lostVideo });
    expect(requests[0]).toEqual({ since: NOON - 120, before: NOON + 120, creator: "u" });
  });

  it("reads further pages when there are more videos than fit on one", async () => {
    const lostVideo = video("lost", NOON + 100);
    expect(await findLostVideo(ports([...others(5), lostVideo]), upstream, lost)).toEqual({ video: lostVideo });
    const { requests, ...many } = ports(others(5));
    expect(await findLostVideo(many, upstream, lost)).toEqual({ video: { report: { kind: "absent" } } });
    expect(requests.length).toBeLessThan(10);
  });

  it("continues after a second that has more videos than fit on one page", async () => {
    const crowd = Array.from({ length: 400 }, (_, index) => video(`${index}`, NOON - 60));
    const lostVideo = video("lost", NOON + 1);
    expect(await findLostVideo(ports([...crowd, lostVideo]), upstream, lost)).toEqual({ video: lostVideo });
  });

  it("returns no result when Stream does not answer or there are too many videos", async () => {
    expect(await findLostVideo(ports(others(5), { silentAfter: 1 }), upstream, lost)).toEqual({ video: undefined });
    const { requests, ...many } = ports(others(60));
    expect(await findLostVideo(many, upstream, lost)).toEqual({ video: undefined });
    expect(requests).toHaveLength(20);
  });

  it("returns the seconds to wait when the budget has no calls left", async () => {
    expect(await findLostVideo(ports(others(5), { calls: 1 }), upstream, lost)).toEqual({ waitSeconds: 9 });
  });
});
