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

/** As many as Stream gives at once: 1 MB, and 15 ms to read. */
const PAGE_VIDEOS = 1_000;

/** Where that did not succeed: with metadata as long as they may be, a page would be larger than is read. */
const SMALL_PAGE_VIDEOS = 250;

/**
 * Of a run over all upstreams, which comes every minute. A page asks each tenant's ledger, at about 0.1 ms of CPU time: with
 * more than 2,000 tenants, `cpu_ms` in `wrangler.toml` has to be raised, and with more than 5,000 its `subrequests`.
 */
const PAGES_PER_RUN = 2;

/** Ids read at a time. */
const TENANTS_PAGE = 1_000;
const LEDGERS_AT_ONCE = 20;

/** What a run did with an upstream, for its log. */
export interface ReconcileRun extends Partial<SweepCounts> {
  readonly upstream: string;
  readonly outcome: "not due" | "going on" | "finished" | "waiting for the budget" | "overtaken" | "failed";
  readonly reason?: string;
}

/** A run by the clock: goes on with the sweeps of all upstreams, another one first each time. */
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
 * Compares an upstream's videos with the ledgers, page by page: what Stream knows better is taken over, and uploads whose
 * video is not there are asked about. The cursor only passes what has been compared; so whatever fails, the next run goes
 * on where this one was, and comparing twice changes nothing.
 */
export async function reconcile(
  ports: ReconcilePorts,
  id: string,
  when: "now" | "if due",
  pages = PAGES_PER_RUN,
): Promise<ReconcileRun> {
  const read = await ports.reconciliations.read(id);
  if (!read.ok) return { upstream: id, outcome: "failed", reason: read.problem.detail };
  let { revision, standing } = read.value;
  if (when === "if due" && !isSweepDue(standing, ports.now())) return { upstream: id, outcome: "not due" };

  const begun = standing.running ?? beginSweep(ports.now());
  let sweep = begun;
  const run = (outcome: ReconcileRun["outcome"], reason?: string): ReconcileRun => ({
    upstream: id,
    outcome,
    ...(reason !== undefined && { reason }),
    ...difference(sweep, begun),
  });

  for (let page = 0; page < pages; page++) {
    const next = await onePage(ports, id, sweep);
    if (!next.ok && next.problem.code === "upstream_busy") return run("waiting for the budget");
    const after: Reconciliation = next.ok
      ? nextState(next.value, standing, ports.now())
      : { ...standing, failure: { at: ports.now(), reason: next.problem.detail } };
    const written = await ports.reconciliations.write(id, revision, after);
    if (!written.ok) return run("failed", written.problem.detail);
    if (!written.value) return run("overtaken");
    if (!next.ok) return run("failed", next.problem.detail);
    [sweep, standing, revision] = [next.value, after, revision + 1];
    if (!standing.running) return run("finished");
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

/** Compares one page, and gives the sweep as it stands then. */
async function onePage(ports: ReconcilePorts, id: string, sweep: Sweep): Promise<Result<Sweep>> {
  const upstream = requireUpstream(await ports.registry.upstream(id, "trusted"));
  if (!upstream.ok) return upstream;
  let page = await listVideos(ports, upstream.value, sweep, PAGE_VIDEOS);
  if (!page.ok && page.problem.code === "stream_unavailable")
    page = await listVideos(ports, upstream.value, sweep, SMALL_PAGE_VIDEOS);
  if (!page.ok) return page;

  const stretch = completeSlice(sweep, page.value);
  const tenants = await tenantsOf(ports.directory, id, stretch);
  if (!tenants.ok) return tenants;
  const compared = await compare(ports, upstream.value, stretch, tenants.value);
  if (!compared.ok) return compared;
  const { to, ...found } = compared.value;
  const counted = stretch.videos.filter((video) => countsFor({ ...stretch, to }, video));
  const unmanaged = counted.filter(({ tag }) => !tag || !tenants.value.has(tag.tenant)).length;
  return ok(advanceSweep(sweep, { ...stretch, to }, { ...found, videos: counted.length, unmanaged }));
}

/** The oldest videos that have not been compared, for one call of the budget. */
async function listVideos(
  { budget, stream }: ReconcilePorts,
  upstream: Upstream,
  { cursor }: Sweep,
  limit: number,
): Promise<Result<VideoList>> {
  const call = await acquireCall(budget, upstream, BACKGROUND_TENANT, "background");
  if (!call.ok) return call;
  const page = await stream.listVideosFrom(upstream, cursor, limit);
  return page ? ok(page) : err(problem("stream_unavailable", "Stream did not list its videos."));
}

/** All tenants on an upstream, and those whose videos are there though they are on another one now. */
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
 * Has every tenant's ledger compare, also those without a video in the stretch: theirs may be missing. All have come as far
 * as `to`.
 */
async function compare(
  { ledgers }: ReconcilePorts,
  upstream: Upstream,
  { from, to, videos }: TimeSlice<StreamVideo>,
  tenants: ReadonlySet<string>,
): Promise<Result<Required<Comparison>>> {
  const groups = Map.groupBy(videos, ({ tag }) => tag?.tenant);
  const total = { settled: 0, imported: 0, missing: 0, to };
  const waiting = [...tenants];
  while (waiting.length > 0) {
    const asked = waiting.splice(0, LEDGERS_AT_ONCE);
    const answers = await Promise.all(
      asked.map((tenant) =>
        ledgers.reconcile(tenant, upstream.id, { from, to: total.to, videos: groups.get(tenant) ?? [] }),
      ),
    );
    for (const answer of answers) {
      if (!answer.ok) return answer;
      total.settled += answer.value.settled;
      total.imported += answer.value.imported;
      total.missing += answer.value.missing;
      total.to = Math.min(total.to, answer.value.to ?? total.to);
    }
  }
  return ok(total);
}
