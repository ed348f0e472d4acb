import { problem } from "../shared/problem.ts";
import {
  type Query,
  badParameter,
  parseCreator,
  parseLimit,
  parseMoment,
  readQuery,
} from "../../http/pipeline/query.ts";
import { reachOf, within } from "../auth/rules/upload-visibility.ts";
import { type Result, accept, refuse } from "../shared/result.ts";
import {
  VIDEO_STATUSES,
  type VideoDocument,
  type VideoStatus,
  stateOfStatus,
  videoDocument,
} from "../stream/rules/video-document.ts";
import type { Access } from "../auth/authenticate.ts";
import type { Ledgers } from "../ports/ledger.ts";

/** As Stream has it: also what is shown where no limit is given. */
const MAX_LIMIT = 1_000;
/** Asked for at a time: a video has one or two KB. */
const PAGE = 500;
/** What one list looks through, at most; more than any list that is asked for with care. */
const MAX_PAGES = 40;

/** Stream's, as far as they can be answered from the ledger; all others are refused by name. */
const PARAMETERS = ["creator", "status", "limit", "before", "end", "after", "start", "asc", "include_counts"] as const;

interface VideoQuery {
  readonly creator?: string;
  readonly status?: VideoStatus;
  /** Created later, and earlier; seconds since the epoch. */
  readonly after: number;
  readonly before: number;
  readonly limit: number;
  readonly ascending: boolean;
  readonly counted: boolean;
}

export interface ListedVideos {
  readonly videos: readonly VideoDocument[];
  /** All that match, where that was asked for. */
  readonly total?: number;
}

/**
 * The videos that the caller may see, the newest first or the oldest, under Cloudflare's names and by its parameters. From
 * the ledger: Stream would show those of all tenants, and each list would be a call of the budget.
 */
export async function listVideos(
  { ledgers }: { readonly ledgers: Ledgers },
  { caller, tenant }: Access,
  parameters: Iterable<readonly [string, string]>,
): Promise<Result<ListedVideos>> {
  const query = parseVideoQuery(parameters);
  if (!query.ok) return query;
  const reached = within(reachOf(caller, tenant.policy), query.value);
  if (!reached) return accept({ videos: [], ...(query.value.counted && { total: 0 }) });

  const { creator, status, after, before, limit, ascending, counted } = reached;
  const videos: VideoDocument[] = [];
  let total = 0;
  let cursor: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = await ledgers.list(tenant.id, {
      limit: PAGE,
      ascending,
      ...(creator !== undefined && { creator }),
      ...(status && { state: stateOfStatus(status) }),
      ...(after > 0 && { from: after + 1 }),
      ...(before < Number.POSITIVE_INFINITY && { to: before }),
      ...(cursor !== undefined && { cursor }),
    });
    if (!page.ok) return page;
    for (const upload of page.value.uploads) {
      const video = videoDocument(upload);
      if (!video || (status && video.status.state !== status)) continue;
      total++;
      if (total <= limit) videos.push(video);
      if (total === limit && !counted) return accept({ videos });
    }
    ({ cursor } = page.value);
    if (cursor === undefined) return accept({ videos, ...(counted && { total }) });
  }
  // A list that ended here would look like all there is.
  return refuse(
    problem("bad_request", "There is too much to look through: ask for a shorter time by after and before."),
  );
}

function parseVideoQuery(parameters: Iterable<readonly [string, string]>): Result<VideoQuery> {
  const read = readQuery(parameters, PARAMETERS);
  if (!read.ok) return read;
  const query = read.value;
  for (const flag of ["asc", "include_counts"] as const)
    if (!["true", "false"].includes(query.get(flag) ?? "false"))
      return refuse(badParameter(flag, "must be true or false"));

  const asked = query.get("status");
  const status = VIDEO_STATUSES.find((status) => status === asked);
  if (asked !== undefined && !status)
    return refuse(badParameter("status", `must be one of ${VIDEO_STATUSES.join(", ")}`));
  const creator = parseCreator(query.get("creator"));
  if (!creator.ok) return creator;
  const before = eitherMoment(query, ["before", "end"], "up");
  if (!before.ok) return before;
  const after = eitherMoment(query, ["after", "start"], "down");
  if (!after.ok) return after;
  const limit = parseLimit(query.get("limit"), { fallback: MAX_LIMIT, most: MAX_LIMIT });
  if (!limit.ok) return limit;
  return accept({
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
  if (query.has(name) && query.has(alias)) return refuse(badParameter(alias, `is another name for ${name}`));
  return query.has(alias)
    ? parseMoment(alias, query.get(alias), rounding)
    : parseMoment(name, query.get(name), rounding);
}
