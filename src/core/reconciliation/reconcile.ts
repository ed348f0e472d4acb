import { BACKGROUND_TENANT } from "../budget/rules/call-window.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { problem } from "../shared/problem.ts";
import {
  type Reconciliation,
  type TimeSlice,
  type Sweep,
  type SweepCounts,
  advanceSweep,
  beginSweep,
  countsFor,
  isSweepDue,
  nextState,
  completeSlice,
} from "./rules/sweep.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { Comparison } from "./rules/comparison.ts";
import type { Budget } from "../ports/budget.ts";
import type { ReconciliationStates } from "../ports/reconciliation-state.ts";
import type { RegistryIndex, Registry } from "../ports/registry.ts";
import { type Upstream, requireUpstream } from "../stream/rules/upstream.ts";
import { acquireCall } from "../budget/acquire-call.ts";
import type { StreamApi } from "../ports/stream.ts";
import type { StreamVideo, VideoList } from "../stream/rules/video.ts";

export interface ReconcilePorts {
  readonly registry: Pick<Registry, "upstream">;
  readonly directory: RegistryIndex;
  readonly ledgers: Pick<Ledgers, "reconcile">;
  readonly stream: Pick<StreamApi, "listVideosFrom">;
  readonly budget: Pick<Budget, "acquire">;
  readonly reconciliations: ReconciliationStates;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

/** Stream's limit per list: about 1 MB, which takes 15 ms to parse. */
const PAGE_VIDEOS = 1_000;

/** After a failure: with metadata of maximum length, a full page exceeds the size that the Stream client reads. */
const SMALL_PAGE_VIDEOS = 250;

/**
 * Per run over all upstreams, once a minute. A page calls each tenant's ledger, at about 0.1 ms of CPU time: for more than
 * 2,000 tenants raise `cpu_ms` in `wrangler.toml`, for more than 5,000 its `subrequests`.
 */
const PAGES_PER_RUN = 2;

/** Ids per query. */
const TENANTS_PAGE = 1_000;
const LEDGERS_AT_ONCE = 20;

/** Result of a run for one upstream, for the log. */
export interface ReconcileRun extends Partial<SweepCounts> {
  readonly upstream: string;
  readonly outcome: "not due" | "going on" | "finished" | "waiting for the budget" | "overtaken" | "failed";
  readonly reason?: string;
}

/** The scheduled run: continues the sweeps of all upstreams, starting with another upstream each minute. */
export async function reconcileAll(ports: ReconcilePorts): Promise<Result<readonly ReconcileRun[]>> {
  const upstreams = await ports.directory.listUpstreamIds();
  if (!upstreams.ok) return upstreams;
  const first = Math.floor(ports.now() / 60) % Math.max(1, upstreams.value.length);
  const runs: ReconcileRun[] = [];
  let pages = PAGES_PER_RUN;
  for (const id of [...upstreams.value.slice(first), ...upstreams.value.slice(0, first)]) {
    if (pages <= 0) break;
    const run = await reconcile(ports, id, "if due", pages);
    runs.push(run);
    pages -= run.pages ?? 0;
  }
  return ok(runs);
}

/**
 * Compares an upstream's videos with the ledgers, page by page. The ledgers update their uploads from the videos, and read
 * missing videos from Stream. The cursor passes only compared pages, so after any failure the next run continues from
 * there. Comparing a page twice changes nothing.
 *
 * @param pages most pages to compare in this run
 */
export async function reconcile(
  ports: ReconcilePorts,
  id: string,
  when: "now" | "if due",
  pages = PAGES_PER_RUN,
): Promise<ReconcileRun> {
  const stored = await ports.reconciliations.read(id);
  if (!stored.ok) return { upstream: id, outcome: "failed", reason: stored.problem.detail };
  let { revision, state } = stored.value;
  if (when === "if due" && !isSweepDue(state, ports.now())) return { upstream: id, outcome: "not due" };

  const initial = state.running ?? beginSweep(ports.now());
  let sweep = initial;
  const run = (outcome: ReconcileRun["outcome"], reason?: string): ReconcileRun => ({
    upstream: id,
    outcome,
    ...(reason !== undefined && { reason }),
    ...difference(sweep, initial),
  });

  for (let page = 0; page < pages; page++) {
    const next = await comparePage(ports, id, sweep);
    if (!next.ok && next.problem.code === "upstream_busy") return run("waiting for the budget");
    const after: Reconciliation = next.ok
      ? nextState(next.value, state, ports.now())
      : { ...state, failure: { at: ports.now(), reason: next.problem.detail } };
    const written = await ports.reconciliations.write(id, revision, after);
    if (!written.ok) return run("failed", written.problem.detail);
    if (!written.value) return run("overtaken");
    if (!next.ok) return run("failed", next.problem.detail);
    [sweep, state, revision] = [next.value, after, revision + 1];
    if (!state.running) return run("finished");
  }
  return run("going on");
}

function difference(after: Sweep, before: Sweep): SweepCounts {
  return {
    pages: after.pages - before.pages,
    videos: after.videos - before.videos,
    settled: after.settled - before.settled,
    imported: after.imported - before.imported,
    missing: after.missing - before.missing,
    unmanaged: after.unmanaged - before.unmanaged,
  };
}

/** Compares one page. @returns the sweep after it */
async function comparePage(ports: ReconcilePorts, id: string, sweep: Sweep): Promise<Result<Sweep>> {
  const upstream = requireUpstream(await ports.registry.upstream(id, "trusted"));
  if (!upstream.ok) return upstream;
  let page = await listVideos(ports, upstream.value, sweep, PAGE_VIDEOS);
  if (!page.ok && page.problem.code === "stream_unavailable")
    page = await listVideos(ports, upstream.value, sweep, SMALL_PAGE_VIDEOS);
  if (!page.ok) return page;

  const slice = completeSlice(sweep, page.value);
  const tenants = await tenantsOf(ports.directory, id, slice);
  if (!tenants.ok) return tenants;
  const compared = await compareWithLedgers(ports, upstream.value, slice, tenants.value);
  if (!compared.ok) return compared;
  const { to, unmanaged: uids, ...counts } = compared.value;
  const counted = slice.videos.filter((video) => countsFor({ ...slice, to }, video));
  const forged = new Set(uids);
  const unmanaged = counted.filter(
    ({ tag, report }) => !tag || !tenants.value.has(tag.tenant) || forged.has(report.uid),
  ).length;
  return ok(advanceSweep(sweep, { ...slice, to }, { ...counts, videos: counted.length, unmanaged }));
}

/** Lists the oldest videos from the cursor on. Takes one call from the budget. */
async function listVideos(
  { budget, stream }: ReconcilePorts,
  upstream: Upstream,
  { cursor }: Sweep,
  limit: number,
): Promise<Result<VideoList>> {
  const call = await acquireCall(budget, upstream, BACKGROUND_TENANT, "background");
  if (!call.ok) return call;
  const page = await stream.listVideosFrom(upstream, cursor, limit);
  return page ? ok(page) : err(problem("stream_unavailable", "Stream gave no usable list of videos."));
}

/** All tenants on an upstream, and former ones whose videos are still there. */
async function tenantsOf(
  directory: RegistryIndex,
  upstream: string,
  { videos }: TimeSlice<StreamVideo>,
): Promise<Result<ReadonlySet<string>>> {
  const tagged = await directory.filterExistingTenants([
    ...new Set(videos.flatMap(({ tag }) => (tag ? [tag.tenant] : []))),
  ]);
  if (!tagged.ok) return tagged;
  const tenants = new Set(tagged.value);
  let after = "";
  for (;;) {
    const page = await directory.listTenantIds(upstream, { after, limit: TENANTS_PAGE });
    if (!page.ok) return page;
    for (const tenant of page.value) tenants.add(tenant);
    if (page.value.length < TENANTS_PAGE) return ok(tenants);
    after = page.value.at(-1) ?? "";
  }
}

/**
 * Compares the slice with every tenant's ledger, also without videos, since a tenant's videos may be missing.
 *
 * @returns the totals, and in `to` the last second that all ledgers have compared
 */
async function compareWithLedgers(
  { ledgers }: ReconcilePorts,
  upstream: Upstream,
  { from, to, videos }: TimeSlice<StreamVideo>,
  tenants: ReadonlySet<string>,
): Promise<Result<Required<Comparison>>> {
  const videosOf = Map.groupBy(videos, ({ tag }) => tag?.tenant);
  const total = { settled: 0, imported: 0, missing: 0, unmanaged: [] as string[], to };
  const remaining = [...tenants];
  while (remaining.length > 0) {
    const batch = remaining.splice(0, LEDGERS_AT_ONCE);
    const answers = await Promise.all(
      batch.map((tenant) =>
        ledgers.reconcile(tenant, upstream.id, { from, to: total.to, videos: videosOf.get(tenant) ?? [] }),
      ),
    );
    for (const answer of answers) {
      if (!answer.ok) return answer;
      total.settled += answer.value.settled;
      total.imported += answer.value.imported;
      total.missing += answer.value.missing;
      total.unmanaged.push(...(answer.value.unmanaged ?? []));
      total.to = Math.min(total.to, answer.value.to ?? total.to);
    }
  }
  return ok(total);
}
