import type { AccountMaxima } from "../../stream/rules/upstream.ts";
import type { Limits } from "./limits.ts";

/** What bounds every creation of a tenant, whatever its policy says. */
export interface UploadBounds {
  /** Bytes of the largest file that the Stream account takes. */
  readonly maxBytes: number;
  /** Seconds of the longest video that the Stream account takes. */
  readonly maxSeconds: number;
  /** Seconds to reserve if neither the client nor a policy sets `maxdurationseconds`. */
  readonly defaultSeconds: number;
  /** What decided `defaultSeconds`: Stream, or the path of a limit. */
  readonly defaultRule: string;
}

/** Seconds that Stream reserves if `maxdurationseconds` is absent (assumed: secondary source). Always sent, to be certain. */
export const STREAM_DEFAULT_MAX_DURATION_SECONDS = 14_400;

/**
 * The bounds of a tenant's creations. The default reservation is never more than a limit allows in total: a tenant with 600
 * stored seconds could otherwise never create an upload without `maxdurationseconds`. It does not depend on what is left of
 * the limits, so that equal creations get equal uploads.
 */
export function uploadBounds(
  { maxUploadBytes, maxVideoSeconds }: AccountMaxima,
  { storedSeconds, quota = {} }: Limits,
): UploadBounds {
  let [defaultSeconds, defaultRule] = [STREAM_DEFAULT_MAX_DURATION_SECONDS, "stream.metadata.maxdurationseconds"];
  for (const [name, allowed] of [
    ["storedSeconds", storedSeconds],
    ["quota.day.seconds", quota.day?.seconds],
    ["quota.month.seconds", quota.month?.seconds],
  ] as const)
    if (allowed !== undefined && allowed < defaultSeconds) [defaultSeconds, defaultRule] = [allowed, `limits.${name}`];
  return { maxBytes: maxUploadBytes, maxSeconds: maxVideoSeconds, defaultSeconds, defaultRule };
}
