import { type Result, ok, err } from "../../../core/shared/result.ts";
import { VIDEO_STATUSES } from "../../../core/stream/rules/video-document.ts";
import type { VideoQuery } from "../../../core/uploads/list-videos.ts";
import { type Query, badParameter, parseCreator, parseLimit, parseMoment, readQuery } from "../../pipeline/query.ts";

/** As Stream has it: also what is shown where no limit is given. */
const MAX_LIMIT = 1_000;
/** Stream's, as far as they can be answered from the ledger; all others are refused by name. */
const PARAMETERS = ["creator", "status", "limit", "before", "end", "after", "start", "asc", "include_counts"] as const;

export function parseVideoQuery(parameters: Iterable<readonly [string, string]>): Result<VideoQuery> {
  const read = readQuery(parameters, PARAMETERS);
  if (!read.ok) return read;
  const query = read.value;
  for (const flag of ["asc", "include_counts"] as const)
    if (!["true", "false"].includes(query.get(flag) ?? "false"))
      return err(badParameter(flag, "must be true or false"));

  const asked = query.get("status");
  const status = VIDEO_STATUSES.find((status) => status === asked);
  if (asked !== undefined && !status) return err(badParameter("status", `must be one of ${VIDEO_STATUSES.join(", ")}`));
  const creator = parseCreator(query.get("creator"));
  if (!creator.ok) return creator;
  const before = eitherMoment(query, ["before", "end"], "up");
  if (!before.ok) return before;
  const after = eitherMoment(query, ["after", "start"], "down");
  if (!after.ok) return after;
  const limit = parseLimit(query.get("limit"), { fallback: MAX_LIMIT, most: MAX_LIMIT });
  if (!limit.ok) return limit;
  return ok({
    limit: limit.value,
    ascending: query.get("asc") === "true",
    counted: query.get("include_counts") === "true",
    after: after.value ?? 0,
    before: before.value ?? Number.POSITIVE_INFINITY,
    ...(status && { status }),
    ...(creator.value !== undefined && { creator: creator.value }),
  });
}

/** A parameter that has two names. */
function eitherMoment(
  query: Query<(typeof PARAMETERS)[number]>,
  [name, alias]: readonly [(typeof PARAMETERS)[number], (typeof PARAMETERS)[number]],
  rounding: "up" | "down",
): Result<number | undefined> {
  if (query.has(name) && query.has(alias)) return err(badParameter(alias, `is another name for ${name}`));
  return query.has(alias)
    ? parseMoment(alias, query.get(alias), rounding)
    : parseMoment(name, query.get(name), rounding);
}
