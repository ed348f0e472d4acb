import type { Problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import {
  type Reconciliation,
  type TimeSlice,
  type Sweep,
  type SweepCounts,
  MARGIN_SECONDS,
  addCounts,
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
import type { StreamApi } from "../ports/stream.ts";
import { listOldestVideos } from "../stream/list-oldest-videos.ts";
import type { StreamVideo } from "../stream/rules/video.ts";

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
 * missing videos from Stream. While Stream or D1 is down, the cursor stays, and the next run continues from there: comparing a
 * page twice changes nothing. What cannot be taken in, a video or a ledger, is passed by and reported.
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
  let reason: string | undefined;
  const run = (outcome: ReconcileRun["outcome"], cause = reason): ReconcileRun => ({
    upstream: id,
    outcome,
    ...(cause !== undefined && { reason: cause }),
    ...addCounts(sweep, initial, -1),
    skippedUids: sweep.skippedUids ?? [],
  });

  for (let page = 0; page < pages; page++) {
    const next = await comparePage(ports, id, sweep);
    if (!next.ok && next.problem.code === "upstream_busy") return run("waiting for the budget");
    const failure = next.ok ? next.value.failure : next.problem;
    reason = failure?.detail ?? reason;
    const after: Reconciliation = {
      ...(next.ok ? nextState(next.value.sweep, state, ports.now()) : state),
      ...(failure && { failure: { at: ports.now(), reason: failure.detail } }),
    };
    const written = await ports.reconciliations.write(id, revision, after);
    if (!written.ok) return run("failed", written.problem.detail);
    if (!written.value) return run("overtaken");
    if (!next.ok) return run("failed");
    [sweep, state, revision] = [next.value.sweep, after, revision + 1];
    if (!state.running) return run("finished");
  }
  return run("going on");
}

/** @returns the sweep after a page, and the failure of a ledger that was passed by */
async function comparePage(
  ports: ReconcilePorts,
  id: string,
  sweep: Sweep,
): Promise<Result<{ readonly sweep: Sweep; readonly failure?: Problem | undefined }>> {
  const upstream = requireUpstream(await ports.registry.upstream(id, "trusted"));
  if (!upstream.ok) return upstream;
  const span = { from: sweep.cursor, before: sweep.until + MARGIN_SECONDS + 1 };
  const page = await listOldestVideos(ports, upstream.value, span, PAGE_VIDEOS);
  if (!page.ok) return page;

  const listed = completeSlice(sweep, page.value);
  const slice = { ...listed, videos: listed.videos.filter((video) => "report" in video) };
  const tenants = await tenantsOf(ports.directory, id, slice);
  if (!tenants.ok) return tenants;
  const compared = await compareWithLedgers(ports, upstream.value, slice, tenants.value);
  if (!compared.ok) return compared;
  const { to, failed, failure, unmanaged: forged, ...counts } = compared.value;
  const counted = listed.videos.filter((video) => countsFor({ ...slice, to }, video));
  const unmanaged = counted.filter(
    (video) =>
      "report" in video && (!video.tag || !tenants.value.has(video.tag.tenant) || forged.includes(video.report.uid)),
  ).length;
  const skippedUids = counted.flatMap((video) => {
    if ("skipped" in video) return video.skipped;
    return video.tooDeep || failed.has(video.tag?.tenant) ? video.report.uid : [];
  });
  const after = advanceSweep(sweep, { ...slice, to }, { ...counts, videos: counted.length, unmanaged, skippedUids });
  return ok({ sweep: after, failure });
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
 * @returns the totals, in `to` the last second that all ledgers have compared, and the ledgers that failed; a problem if all
 *   of several ledgers do: then the platform is down
 */
async function compareWithLedgers(
  { ledgers }: ReconcilePorts,
  upstream: Upstream,
  { from, to, videos }: TimeSlice<StreamVideo>,
  tenants: ReadonlySet<string>,
): Promise<Result<LedgerComparison>> {
  const videosOf = Map.groupBy(videos, ({ tag }) => tag?.tenant);
  const total = { settled: 0, imported: 0, missing: 0, unmanaged: [] as string[], to };
  const failed = new Set<string | undefined>();
  let failure: Problem | undefined;
  const remaining = [...tenants];
  while (remaining.length > 0) {
    const batch = remaining.splice(0, LEDGERS_AT_ONCE);
    const answers = await Promise.all(
      batch.map(async (tenant) => {
        const page = { from, to: total.to, videos: videosOf.get(tenant) ?? [] };
        const answer = await ledgers.reconcile(tenant, upstream.id, page);
        // An object that moves, or gets a new version, is back at once.
        return answer.ok ? answer : ledgers.reconcile(tenant, upstream.id, page);
      }),
    );
    for (const [index, answer] of answers.entries()) {
      if (!answer.ok) {
        failed.add(batch[index]);
        failure = { ...answer.problem, detail: `${batch[index]}: ${answer.problem.detail}` };
        continue;
      }
      for (const count of ["settled", "imported", "missing"] as const) total[count] += answer.value[count];
      total.unmanaged.push(...(answer.value.unmanaged ?? []));
      total.to = Math.min(total.to, answer.value.to ?? total.to);
    }
  }
  if (failure && failed.size > 1 && failed.size === tenants.size) return err(failure);
  return ok({ ...total, failed, failure });
}

interface LedgerComparison extends Required<Comparison> {
  readonly failed: ReadonlySet<string | undefined>;
  /** Of the last one. */
  readonly failure: Problem | undefined;
}
