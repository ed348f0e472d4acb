import * as v from "valibot";
import { formatTimestamp, parseTimestamp } from "../../shared/time.ts";
import { notAfter, notBefore } from "./constraints.ts";
import { parseDuration } from "./duration.ts";
import { type MetadataKey, ifSet } from "./metadata-key.ts";
import type { Context } from "./rule.ts";

/**
 * Added to Stream's minimum (`P30D`, `PT2M`) if a policy sets a time to it, by `force`, `default`, `min` or `max`. A
 * creation reaches Stream a little later than it is decided, and the clocks differ: exactly the minimum could be too early by then.
 */
const MARGIN_SECONDS = 60;

const AUTO = "auto";

const duration = v.pipe(
  v.string(),
  v.check((text) => parseDuration(text) !== undefined, "must be an ISO 8601 duration such as PT30M or P90D"),
);

/** When Stream deletes the video. It keeps a video without this key forever. */
export const scheduledDeletionKey = timeKey({ least: "P30D", most: "P1096D", absence: Number.POSITIVE_INFINITY });

/** When the upload URL expires. (Assumed: the documentation gives no bounds; these are from a secondary source.) */
export const expiryKey = timeKey({ least: "PT2M", most: "PT6H", auto: autoExpiry });

/** A point in time: a duration from the creation on in policies, RFC 3339 from clients and to Stream. */
function timeKey(options: {
  /** Stream's minimum, from the creation on. */
  readonly least: string;
  /** Stream's maximum, from the creation on. */
  readonly most: string;
  /** The value that a missing key counts as. */
  readonly absence?: number;
  /** The meaning of `auto`, which is also the default. */
  readonly auto?: (context: Context) => number;
}): MetadataKey<number> {
  const { least, most, absence, auto } = options;
  const leastSeconds = toSeconds(least);
  const withMargin = (duration: number | string) => {
    const seconds = toSeconds(duration);
    // No margin below Stream's minimum: `compileRule` rejects such a setting, except a `min`, which has no effect there.
    return seconds < leastSeconds ? seconds : Math.max(seconds, leastSeconds + MARGIN_SECONDS);
  };
  return {
    type: {
      parse: parseTimestamp,
      format: formatTimestamp,
      expects: "an RFC 3339 time such as 2026-11-22T18:30:00Z",
      constraints: [notBefore(leastSeconds, least), notAfter(toSeconds(most), most)],
      ...(absence !== undefined && { absence }),
      ...(auto && { default: auto }),
    },
    setting: auto ? v.union([v.picklist([AUTO]), duration]) : duration,
    verbs: { min: duration, max: duration },
    resolve: (setting) => {
      if (auto && setting === AUTO) return auto;
      const seconds = withMargin(String(setting));
      return ({ now }) => now + seconds;
    },
    constraints: (verbs) => [
      ...ifSet(verbs.min, (duration) => notBefore(withMargin(duration), String(duration))),
      ...ifSet(verbs.max, (duration) => notAfter(withMargin(duration), String(duration))),
    ],
  };
}

function toSeconds(duration: number | string): number {
  return parseDuration(String(duration)) ?? 0;
}

/** Stream's own default for an upload URL. */
const AUTO_EXPIRY_MIN_SECONDS = 30 * 60;
/** A slow uplink that an upload should still survive, in bits per second. */
const AUTO_EXPIRY_UPLINK_BITS = 2_000_000;

/** The largest upload whose `auto` expiry is this far ahead. @returns bytes */
export function lengthOfAutoExpiry(seconds: number): number {
  return Math.floor((seconds * AUTO_EXPIRY_UPLINK_BITS) / 8);
}

function autoExpiry({ now, length }: Context): number {
  return now + Math.max(AUTO_EXPIRY_MIN_SECONDS, Math.ceil((length * 8) / AUTO_EXPIRY_UPLINK_BITS));
}
