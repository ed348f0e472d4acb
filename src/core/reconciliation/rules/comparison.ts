import type { StreamVideo } from "../../stream/rules/video.ts";

/** All videos of one tenant that Stream has of a span of time. Seconds since the epoch; both ends are within. */
export interface VideoPage {
  readonly from: number;
  readonly to: number;
  readonly videos: readonly StreamVideo[];
}

/** What a comparison has changed. */
export interface Comparison {
  /** Uploads whose state Stream knew better. */
  readonly settled: number;
  /** Videos that carried the tenant's tag, and of which the ledger knew nothing. */
  readonly imported: number;
  /** Uploads whose video was not there: Stream is asked about each of them before anything is changed. */
  readonly missing: number;
  /** How far it has come, where that is not the end of the span: there are too many uploads. */
  readonly to?: number;
}
