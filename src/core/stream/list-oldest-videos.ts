import { acquireCall } from "../budget/acquire-call.ts";
import { BACKGROUND_TENANT } from "../budget/rules/call-window.ts";
import type { Budget } from "../ports/budget.ts";
import type { StreamApi } from "../ports/stream.ts";
import { problem } from "../shared/problem.ts";
import { type Result, err, ok } from "../shared/result.ts";
import { rfc3339 } from "../shared/time.ts";
import type { Upstream } from "./rules/upstream.ts";
import type { VideoList } from "./rules/video.ts";

export interface ListOldestPorts {
  readonly stream: Pick<StreamApi, "listVideosFrom">;
  readonly budget: Pick<Budget, "acquire">;
}

/** Videos per list: Stream's limit, and what to try where metadata of maximum length makes a page too large to read. */
const PAGE_SIZES = [1_000, 250, 50, 1];

const UNAVAILABLE = problem("stream_unavailable", "Stream gave no usable list of videos.");

/**
 * Lists the oldest videos of a time span (seconds since the epoch, without `before`), with a smaller page where one cannot be
 * read. If even one video cannot, the list has that one as skipped, with the second of its creation.
 *
 * Each list takes a call from what the tenants leave of the budget.
 *
 * @param most videos on the first page
 * @returns `upstream_busy` if the budget has no call left, `stream_unavailable` if Stream does not answer
 */
export async function listOldestVideos(
  { budget, stream }: ListOldestPorts,
  upstream: Upstream,
  { from, before }: { readonly from: number; readonly before: number },
  most: number,
): Promise<Result<VideoList>> {
  const list = async (limit: number, end: number): Promise<Result<VideoList | undefined>> => {
    const call = await acquireCall(budget, upstream, BACKGROUND_TENANT, "background");
    if (!call.ok) return call;
    const page = await stream.listVideosFrom(upstream, from, limit, { before: end });
    return page === "unreadable" ? ok(undefined) : page ? ok(page) : err(UNAVAILABLE);
  };
  for (const limit of PAGE_SIZES.filter((size) => size <= most)) {
    const page = await list(limit, before);
    if (page.ok) {
      if (page.value) return ok(page.value);
      // The deadline may be too short for the first page.
    } else if (page.problem !== UNAVAILABLE || limit < most) return page;
  }
  // Halves the time in which the oldest video was created. Until `readable`, there is none.
  let [readable, unreadable] = [from - 1, before];
  while (unreadable - readable > 1) {
    const middle = Math.floor((readable + unreadable) / 2);
    const page = await list(1, middle);
    if (!page.ok) return page;
    if (page.value) readable = middle;
    else unreadable = middle;
  }
  // Not even an empty list can be read, so no video is the reason.
  if (unreadable <= from) return err(UNAVAILABLE);
  const created = unreadable - 1;
  return ok({ videos: [{ skipped: `created ${rfc3339(created)}`, created }], last: false });
}
