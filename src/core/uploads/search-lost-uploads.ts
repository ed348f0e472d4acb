import { WINDOW_SECONDS } from "../budget/rules/call-window.ts";
import type { Budget } from "../ports/budget.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { Registry } from "../ports/registry.ts";
import type { StreamApi } from "../ports/stream.ts";
import { listOldestVideos } from "../stream/list-oldest-videos.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { StreamVideo } from "../stream/rules/video.ts";
import { type TimeRange, mergeTimes } from "./rules/time-ranges.ts";

/** How far before and after the creation request to search: clocks differ, and Stream may have been slow. */
const SEARCH_MARGIN_SECONDS = 120;

/** With metadata of maximum length, a larger page would exceed the limit for a response of Stream's API. */
const PAGE_VIDEOS = 250;

/** With the margins, 14 minutes of videos. */
const MAX_RANGE_SECONDS = 600;

/** An alarm has 15 minutes, and a page takes about a second. */
const MAX_PAGES = 500;

/** Videos that an upstream's call limit can create within a range, with as many made elsewhere, in full pages. */
function mostVideos({ callsPerWindow }: Upstream, { from, to }: TimeRange): number {
  const windows = (to - from + 2 * SEARCH_MARGIN_SECONDS) / WINDOW_SECONDS;
  return PAGE_VIDEOS * Math.min(MAX_PAGES, Math.ceil((2 * callsPerWindow * windows) / PAGE_VIDEOS));
}

export interface SearchLostPorts {
  readonly registry: Pick<Registry, "upstream">;
  readonly stream: Pick<StreamApi, "listVideosFrom">;
  readonly budget: Pick<Budget, "acquire">;
  readonly ledgers: Pick<Ledgers, "lostCreations" | "recordSearch">;
}

export interface SearchOutcome {
  /** Tenants without lost creations. */
  readonly finished: readonly string[];
  /** Seconds to wait, if the budget has no call. */
  readonly waitSeconds?: number;
}

/**
 * Searches for the videos of an upstream's lost creations, of all tenants together, by the `sluice` key in their `meta`, and for
 * clips, which may have that of their parent or none (assumed), by their parent. One list serves all creations of some minutes: an outage of Stream may lose hundreds at once. Takes only calls that the tenants
 * leave in the budget.
 *
 * The ledgers delete the videos that are found, and settle those that are not.
 */
export async function searchLostUploads(
  ports: SearchLostPorts,
  upstreamId: string,
  tenants: readonly string[],
): Promise<SearchOutcome> {
  const upstream = await ports.registry.upstream(upstreamId);
  if (!upstream.ok) return { finished: [] };

  const finished: string[] = [];
  const times = new Map<string, readonly number[]>();
  for (const tenant of tenants) {
    const created = await ports.ledgers.lostCreations(tenant, upstreamId);
    if (!created.ok) continue;
    if (created.value.length === 0) finished.push(tenant);
    else times.set(tenant, created.value);
  }
  for (const range of mergeTimes([...times.values()].flat(), SEARCH_MARGIN_SECONDS, MAX_RANGE_SECONDS)) {
    // The videos of an account that is no longer configured cannot be listed.
    const search = upstream.value ? await listVideos(ports, upstream.value, range) : { videos: [], complete: true };
    const videosOf = Map.groupBy(search.videos, ({ tag }) => tag?.tenant);
    // A clip without a tag may be of any tenant: a ledger knows it by its parent.
    const untagged = videosOf.get(undefined) ?? [];
    for (const tenant of times.keys())
      await ports.ledgers.recordSearch(tenant, upstreamId, {
        ...(search.complete ? range : NO_TIME),
        videos: [...(videosOf.get(tenant) ?? []), ...untagged],
      });
    if ("waitSeconds" in search) return { finished, waitSeconds: search.waitSeconds };
  }
  return { finished };
}

/** Of an incomplete search: it proves nothing about the creations whose video it lacks. */
const NO_TIME: TimeRange = { from: 0, to: -1 };

interface VideoSearch {
  readonly videos: readonly StreamVideo[];
  /** Whether these are all videos of the range. */
  readonly complete: boolean;
  readonly waitSeconds?: number;
}

/** Lists the tagged videos, and the clips, around a range of creation requests. */
async function listVideos(ports: SearchLostPorts, upstream: Upstream, { from, to }: TimeRange): Promise<VideoSearch> {
  const videos: StreamVideo[] = [];
  let cursor = from - SEARCH_MARGIN_SECONDS;
  for (let left = mostVideos(upstream, { from, to }); left > 0;) {
    const span = { from: cursor, before: to + SEARCH_MARGIN_SECONDS };
    const page = await listOldestVideos(ports, upstream, span, PAGE_VIDEOS);
    if (!page.ok) {
      const { retryAfterSeconds } = page.problem;
      return { videos, complete: false, ...(retryAfterSeconds !== undefined && { waitSeconds: retryAfterSeconds }) };
    }
    videos.push(
      ...page.value.videos.filter((video) => "report" in video).filter(({ tag, source }) => tag || source === "clip"),
    );
    if (page.value.last) return { videos, complete: true };
    // The page may end within a second, so read that second again; skip it if it fills a page by itself.
    cursor = Math.max(cursor + 1, page.value.videos.at(-1)?.created ?? 0);
    left -= Math.max(1, page.value.videos.length);
  }
  return { videos, complete: false };
}
