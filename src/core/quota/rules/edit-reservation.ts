import { type Problem, problem } from "../../shared/problem.ts";
import type { StreamVideo } from "../../stream/rules/video.ts";
import { checkLimits } from "./check-limits.ts";
import type { Limits } from "./limits.ts";
import { type CountedUpload, type Totals, applyToTotals, countedAt } from "./usage-totals.ts";

/**
 * What an edit of a video does in the ledger: it begins before Stream is called, and ends with what Stream answered. Both objects are
 * sent over RPC, also between neighbouring versions during a deployment, so their field names stay.
 */
export interface EditStart {
  readonly id: string;
  /** Of the tenant that the edit was decided with. */
  readonly version: number;
  readonly limits: Limits;
  /** Seconds that the video may have from now on, for an upload whose bytes have not arrived; absent: as before. */
  readonly seconds?: number;
}

export type EditStartOutcome =
  /** With the seconds that the upload reserved before. */
  | { readonly kind: "begun"; readonly seconds: number }
  /** The tenant has changed since the edit was decided. */
  | { readonly kind: "stale" }
  | { readonly kind: "refused"; readonly problem: Problem };

export interface EditEnd {
  /** As Stream describes it, after the edit or without it; absent if that is not known: the ledger then asks Stream. */
  readonly video?: StreamVideo;
  /** What the upload reserves from now on; absent: as it does. */
  readonly seconds?: number;
  /** Expiry of the upload URL, in seconds since the epoch; absent: as it was. */
  readonly expires?: number;
}

/** How long an edit keeps others of its video waiting: longer than two calls with the longest deadline (20 s) and the ledger take. */
export const EDIT_SECONDS = 60;

/** When the ledger asks about a video after an edit whose answer was lost: Stream may still be carrying it out. */
export const EDIT_CHECK_SECONDS = 30;

/** When it asks again, if Stream does not answer. */
export const EDIT_RETRY_SECONDS = 1_800;

export const EDIT_IN_PROGRESS = problem("edit_in_progress", "Another edit of this video is in progress.", {
  retryAfterSeconds: 1,
});

export const NO_VIDEO = problem("not_found", "The upload has no video that can be edited.");

export const NOT_PENDING = problem(
  "upload_not_pending",
  "maxDurationSeconds and uploadExpiry can be changed only until the bytes of the upload arrive.",
);

/** The limits that count the seconds of a video. */
export function limitsOfSeconds({ storedSeconds, quota = {} }: Limits): Limits {
  const { day, month } = quota;
  return {
    ...(storedSeconds !== undefined && { storedSeconds }),
    quota: {
      ...(day?.seconds !== undefined && { day: { seconds: day.seconds } }),
      ...(month?.seconds !== undefined && { month: { seconds: month.seconds } }),
    },
  };
}

/**
 * Reserves a longer duration. If the day of the upload is over, the upload counts for the current one from now on: otherwise uploads
 * of yesterday could grow beyond any quota.
 *
 * @param totals of the current day and month
 * @returns the day that it counts for from now on, where that changes; or the limit that it would exceed
 */
export function reserveLonger(
  totals: Totals,
  upload: CountedUpload,
  seconds: number,
  limits: Limits,
  now: number,
): { readonly day?: number } | Problem {
  const isOfEarlierDay = countedAt(upload) < totals.day.start;
  const { quota = {} } = limits;
  const counting = limitsOfSeconds(limits);
  // Its number and bytes are new to the day and month that it moves to.
  const [day, month] = [isOfEarlierDay && quota.day, countedAt(upload) < totals.month.start && quota.month];
  const usage = {
    totals: applyToTotals(totals, upload, undefined),
    creatorPending: 0,
    rates: [],
    nextRelease: () => undefined,
  };
  const checked = { ...counting, quota: { ...counting.quota, ...(day && { day }), ...(month && { month }) } };
  const refused = checkLimits(checked, usage, { bytes: upload.bytes, seconds }, now);
  return refused ?? (isOfEarlierDay ? { day: totals.day.start } : {});
}
