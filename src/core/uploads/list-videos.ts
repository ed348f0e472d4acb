import { problem } from "../shared/problem.ts";
import { visibilityOf, restrictToVisible } from "../auth/rules/upload-visibility.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { type VideoDocument, type VideoStatus, stateOfStatus, videoDocument } from "../stream/rules/video-document.ts";
import type { Access } from "../auth/authenticate.ts";
import type { Ledgers } from "../ports/ledger.ts";

/** Asked for at a time: a video has one or two KB. */
const PAGE = 500;
/** What one list looks through, at most; more than any list that is asked for with care. */
const MAX_PAGES = 40;

export interface VideoQuery {
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
  query: VideoQuery,
): Promise<Result<ListedVideos>> {
  const reached = restrictToVisible(visibilityOf(caller, tenant.policy), query);
  if (!reached) return ok({ videos: [], ...(query.counted && { total: 0 }) });

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
      if (total === limit && !counted) return ok({ videos });
    }
    ({ cursor } = page.value);
    if (cursor === undefined) return ok({ videos, ...(counted && { total }) });
  }
  // A list that ended here would look like all there is.
  return err(problem("bad_request", "There is too much to look through: ask for a shorter time by after and before."));
}
