import { problem } from "../shared/problem.ts";
import { restrictToVisible } from "../auth/rules/upload-visibility.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { type VideoDocument, type VideoStatus, stateOfStatus, videoDocument } from "../stream/rules/video-document.ts";
import type { Access } from "../auth/authenticate.ts";
import type { VideoFilter } from "./rules/upload-record.ts";
import type { Ledgers } from "../ports/ledger.ts";
import { ledgerToRead } from "../quota/ledger-to-read.ts";

/** Uploads read from the ledger at a time; each has one or two KB. */
const PAGE_UPLOADS = 500;
/** Upper bound for one list: 20,000 uploads. */
const MAX_PAGES = 40;

export interface VideoQuery {
  readonly creator?: string;
  readonly status?: VideoStatus;
  readonly filter?: VideoFilter;
  /** Whether videos are requested that an upload never makes: live ones. */
  readonly live: boolean;
  /** Exclusive bounds of the creation time; seconds since the epoch. */
  readonly after: number;
  readonly before: number;
  readonly limit: number;
  readonly ascending: boolean;
  /** Whether the total is requested. */
  readonly counted: boolean;
}

export interface ListedVideos {
  readonly videos: readonly VideoDocument[];
  /** Number of matching videos, if requested. */
  readonly total?: number;
}

/**
 * Lists the videos that the caller may see, with Cloudflare's field names and parameters. Reads the ledger instead of
 * Stream, whose list covers all tenants and would take a call from the budget.
 *
 * @returns `bad_request` if more than `MAX_PAGES` pages would have to be read: a truncated list would look complete
 */
export async function listVideos(
  { ledgers }: { readonly ledgers: Ledgers },
  { caller, tenant }: Access,
  query: VideoQuery,
): Promise<Result<ListedVideos>> {
  const visible = restrictToVisible(caller, query);
  if (!visible || visible.live) return ok({ videos: [], ...(query.counted && { total: 0 }) });

  const { creator, orLabel, label, status, filter, after, before, limit, ascending, counted } = visible;
  const videos: VideoDocument[] = [];
  let total = 0;
  let cursor: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = await ledgerToRead(ledgers, tenant).list(tenant.id, {
      limit: PAGE_UPLOADS,
      ascending,
      ...(creator !== undefined && { creator }),
      ...(orLabel && { orLabel }),
      ...(label !== undefined && { label }),
      ...(status && { state: stateOfStatus(status) }),
      ...(after > 0 && { from: after + 1 }),
      ...(before < Number.POSITIVE_INFINITY && { to: before }),
      ...(cursor !== undefined && { cursor }),
      ...(filter && { video: filter }),
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
  return err(problem("bad_request", "The range contains too many videos. Narrow it with `after` and `before`."));
}
