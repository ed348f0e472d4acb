import type { StreamVideo } from "../../stream/rules/video.ts";

/** All videos at Stream with one tenant's tag that were created from `from` to `to`, inclusive. Seconds since the epoch. */
export interface VideoPage<Video = StreamVideo> {
  readonly from: number;
  readonly to: number;
  readonly videos: readonly Video[];
}

/** Result of comparing a page with a ledger. */
export interface Comparison {
  /** Uploads whose state was updated. */
  readonly settled: number;
  /** Videos with the tenant's tag that the ledger did not have. */
  readonly imported: number;
  /** Uploads without a video on the page. The ledger reads each video from Stream before it changes anything. */
  readonly missing: number;
  /** Set if videos have the tenant's tag and were not created by the gateway: their uids. */
  readonly unmanaged?: readonly string[];
  /** Set if the page has too many uploads: the last second that was compared. */
  readonly to?: number;
}
