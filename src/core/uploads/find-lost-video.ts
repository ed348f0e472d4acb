import { BACKGROUND_TENANT } from "../budget/rules/call-window.ts";
import type { Budget } from "../ports/budget.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { StreamApi } from "../ports/stream.ts";
import type { AbsentVideo, StreamVideo } from "../stream/rules/video.ts";

/** Around the moment a creation was sent: clocks differ, and Stream may have taken its time. */
const SEARCH_SECONDS = 120;

/** With metadata as long as they may be, a larger page would be more than is read at once. */
const PAGE_VIDEOS = 250;

/** 5,000 videos: five times as many as one account's limit of calls can create in such a time. */
const MAX_PAGES = 20;

export interface FindLostVideoPorts {
  readonly stream: Pick<StreamApi, "listVideosFrom">;
  readonly budget: Pick<Budget, "acquire">;
}

export interface LostCreation {
  readonly uploadId: string;
  readonly creator?: string;
  /** Seconds since the epoch, when Stream was asked. */
  readonly askedAt: number;
}

/** What Stream says of a video, if it says anything; or how many seconds to wait, where the budget refuses. */
export type VideoLookup = { readonly video: StreamVideo | AbsentVideo | undefined } | { readonly waitSeconds: number };

/** Looks for the video of a creation whose answer was lost, by the `sluice` key in its `meta`. One call for each page. */
export async function findLostVideo(
  { stream, budget }: FindLostVideoPorts,
  upstream: Upstream,
  { uploadId, creator, askedAt }: LostCreation,
): Promise<VideoLookup> {
  const only = { before: askedAt + SEARCH_SECONDS, ...(creator !== undefined && { creator }) };
  let since = askedAt - SEARCH_SECONDS;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const asking = await budget.acquire(upstream, BACKGROUND_TENANT, "background");
    if (!asking.granted) return { waitSeconds: asking.retryAfterSeconds };
    const page = await stream.listVideosFrom(upstream, since, PAGE_VIDEOS, only);
    const video = page?.videos.find(({ tag }) => tag?.uploadId === uploadId);
    if (!page || video) return { video };
    if (page.last) return { video: { report: { kind: "absent" } } };
    // The page may have been cut off within a second; where one second fills it, there is no way but on.
    since = page.videos.reduce((time, { created = 0 }) => Math.max(time, created), since + 1);
  }
  return { video: undefined };
}
