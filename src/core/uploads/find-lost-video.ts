import { BACKGROUND_TENANT } from "../budget/rules/call-window.ts";
import type { Budget } from "../ports/budget.ts";
import type { StreamApi } from "../ports/stream.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { AbsentVideo, StreamVideo } from "../stream/rules/video.ts";

/** How far before and after the creation request to search: clocks differ, and Stream may have been slow. */
const SEARCH_SECONDS = 120;

/** With metadata of maximum length, a larger page would exceed the limit for a response of Stream's API. */
const PAGE_VIDEOS = 250;

/** 5,000 videos: five times as many as one account's call limit can create within the search range. */
const MAX_PAGES = 20;

export interface FindLostVideoPorts {
  readonly stream: Pick<StreamApi, "listVideosFrom">;
  readonly budget: Pick<Budget, "acquire">;
}

/** A creation whose response from Stream was lost. */
export interface LostCreation {
  readonly uploadId: string;
  readonly creator?: string;
  /** When the creation request was sent to Stream, in seconds since the epoch. */
  readonly sentAt: number;
}

/** What Stream reports of a video (`undefined` if unknown), or seconds to wait if the budget has no call. */
export type VideoLookup = { readonly video: StreamVideo | AbsentVideo | undefined } | { readonly waitSeconds: number };

/**
 * Searches for the video of a creation whose response was lost, by the `sluice` key in its `meta`. Takes one call from the
 * budget per page.
 */
export async function findLostVideo(
  { stream, budget }: FindLostVideoPorts,
  upstream: Upstream,
  { uploadId, creator, sentAt }: LostCreation,
): Promise<VideoLookup> {
  const filter = { before: sentAt + SEARCH_SECONDS, ...(creator !== undefined && { creator }) };
  let from = sentAt - SEARCH_SECONDS;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const call = await budget.acquire(upstream, BACKGROUND_TENANT, "background");
    if (!call.granted) return { waitSeconds: call.retryAfterSeconds };
    const page = await stream.listVideosFrom(upstream, from, PAGE_VIDEOS, filter);
    const video = page?.videos.find(({ tag }) => tag?.uploadId === uploadId);
    if (!page || video) return { video };
    if (page.last) return { video: { report: { kind: "absent" } } };
    // The page may end within a second, so read that second again; skip it if it fills a page by itself.
    from = page.videos.reduce((time, { created = 0 }) => Math.max(time, created), from + 1);
  }
  return { video: undefined };
}
