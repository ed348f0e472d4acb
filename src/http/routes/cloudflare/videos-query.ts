import * as v from "valibot";
import { VIDEO_STATUSES } from "../../../core/stream/rules/video-document.ts";
import type { VideoQuery } from "../../../core/uploads/list-videos.ts";
import { creator, flag, limit, oneOf, time } from "../../pipeline/query.ts";

/** Also Stream's default. */
const MAX_LIMIT = 1_000;

/** Stream's parameters, as far as the ledger can answer them. `before` is also called `end`, and `after` `start`. */
export const videosQuery = v.pipe(
  v.object({
    asc: flag,
    include_counts: flag,
    status: v.exactOptional(oneOf(VIDEO_STATUSES)),
    creator: v.exactOptional(creator),
    before: v.exactOptional(time("up")),
    end: v.exactOptional(time("up")),
    after: v.exactOptional(time("down")),
    start: v.exactOptional(time("down")),
    limit: limit({ fallback: MAX_LIMIT, max: MAX_LIMIT }),
  }),
  v.forward(
    v.check(({ before, end }) => before === undefined || end === undefined, "must not be combined with before"),
    ["end"],
  ),
  v.forward(
    v.check(({ after, start }) => after === undefined || start === undefined, "must not be combined with after"),
    ["start"],
  ),
  v.transform(({ asc, include_counts, before, end, after, start, ...query }): VideoQuery => {
    return {
      ...query,
      ascending: asc,
      counted: include_counts,
      after: after ?? start ?? 0,
      before: before ?? end ?? Number.POSITIVE_INFINITY,
    };
  }),
);
