import * as v from "valibot";
import { VIDEO_STATUSES } from "../../../core/stream/rules/video-document.ts";
import type { VideoQuery } from "../../../core/uploads/list-videos.ts";
import type { VideoFilter } from "../../../core/uploads/rules/upload-record.ts";
import { creator, flag, limit, oneOf, time } from "../../pipeline/query.ts";

/** Also Stream's default. */
const MAX_LIMIT = 1_000;

/** More fit into no URL. */
const MAX_ITEMS = 1_000;

const text = v.pipe(
  v.string(),
  v.check((text) => text.trim() !== "", "must not be empty"),
);
const list = v.pipe(
  text,
  v.transform((text) => text.split(",").map((item) => item.trim())),
  v.check((items) => items.length <= MAX_ITEMS, `must have at most ${MAX_ITEMS} items`),
);

/** Stream's parameters. `before` is also called `end`, and `after` `start`. Uploads make no live videos. */
export const videosQuery = v.pipe(
  v.object({
    asc: flag,
    include_counts: flag,
    status: v.exactOptional(oneOf(VIDEO_STATUSES)),
    creator: v.exactOptional(creator),
    id: v.exactOptional(list),
    name: v.exactOptional(list),
    video_name: v.exactOptional(text),
    search: v.exactOptional(text),
    type: v.exactOptional(oneOf(["vod", "live"])),
    live_input_id: v.exactOptional(text),
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
  v.transform(({ asc, include_counts, before, end, after, start, type, live_input_id, ...rest }): VideoQuery => {
    const { id, name, video_name, search, ...query } = rest;
    const filter: VideoFilter = {
      ...(id && { uids: id }),
      ...(name && { names: name }),
      ...(video_name !== undefined && { name: video_name }),
      ...(search !== undefined && { search }),
    };
    return {
      ...query,
      ...(Object.keys(filter).length > 0 && { filter }),
      live: type === "live" || live_input_id !== undefined,
      ascending: asc,
      counted: include_counts,
      after: after ?? start ?? 0,
      before: before ?? end ?? Number.POSITIVE_INFINITY,
    };
  }),
);
