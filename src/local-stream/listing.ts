import { demand, readTime } from "./values.ts";
import { type Video, VIDEO_STATES } from "./videos.ts";

/** [C] Also the default. */
const MAX_LIST = 1_000;
/** States that the filter accepts, including those that no video reaches here. [C] */
const STATES: ReadonlySet<string> = new Set([...VIDEO_STATES, "live-inprogress"]);

/** The filter, order and size of a list. */
export interface Listing {
  readonly limit: number;
  readonly ascending: boolean;
  readonly counts: boolean;
  readonly matches: (video: Video) => boolean;
}

/** Reads the query of `GET /stream`. Throws `RuleBroken`; ignores undocumented parameters. [U] */
export function readListing(query: URLSearchParams): Listing {
  const limit = Number(query.get("limit") ?? MAX_LIST);
  demand(Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIST, `limit must be 1 to ${MAX_LIST}`); // [C], 0 [U]
  const time = (name: string, alias: string) => {
    const text = query.get(name) ?? query.get(alias);
    return text === null ? undefined : readTime(name, text);
  };
  const flag = (name: string) => {
    const text = query.get(name) ?? "false";
    demand(text === "true" || text === "false", `${name} must be true or false`);
    return text === "true";
  };
  const [before, after] = [time("before", "end"), time("after", "start")];
  const status = query.get("status");
  demand(status === null || STATES.has(status), `status must be one of ${[...STATES].join(", ")}`);
  const creator = query.get("creator");
  const search = query.get("search")?.toLowerCase();
  const name = query.get("video_name");
  const ids = query.get("id")?.split(",");
  const nameOf = ({ meta }: Video) => (typeof meta["name"] === "string" ? meta["name"] : "");
  return {
    limit,
    ascending: flag("asc"),
    counts: flag("include_counts"),
    matches: (video) =>
      (creator === null || video.creator === creator) &&
      (status === null || video.state === status) &&
      (before === undefined || video.created < before) &&
      (after === undefined || video.created > after) &&
      (search === undefined || nameOf(video).toLowerCase().includes(search)) && // "partial word match" [C]
      (name === null || nameOf(video) === name) &&
      (ids === undefined || ids.includes(video.uid)),
  };
}
