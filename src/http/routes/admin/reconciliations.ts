import type { Context } from "hono";
import { Routes } from "../../routes.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import { type ReconcilePorts, reconcile } from "../../../core/reconciliation/reconcile.ts";
import { type SweepCounts, addCounts } from "../../../core/reconciliation/rules/sweep.ts";
import type { Err, Result } from "../../../core/shared/result.ts";
import { rfc3339 } from "../../../core/shared/time.ts";
import { type Upstream, requireUpstream } from "../../../core/stream/rules/upstream.ts";
import type { AppEnv } from "../../app-env.ts";
import { handle } from "../../pipeline/handle.ts";
import { resource } from "../../pipeline/resource.ts";
import { NO_SUCH_UPSTREAM } from "./upstreams.ts";

export interface ReconciliationPorts extends ReconcilePorts {
  readonly registry: CachedRegistry;
}

/**
 * `upstreams/:upstream/reconciliation`: the progress and the findings of comparing Stream with the ledgers. `POST` starts a sweep
 * now, or continues the running one by some pages; the cron trigger does the rest.
 */
export function reconciliationRoutes(ports: ReconciliationPorts): Routes {
  const routes = new Routes();
  const slugs = ["upstream"] as const;

  resource(routes, "/", {
    GET: handle({ slugs }, async (c, { path }) => {
      const upstream = await findUpstream(ports, path.upstream);
      return upstream.ok ? respondWithState(ports, c, path.upstream) : upstream;
    }),

    POST: handle({ slugs }, async (c, { path }) => {
      const upstream = await findUpstream(ports, path.upstream);
      if (!upstream.ok) return upstream;
      const run = await reconcile(ports, path.upstream, "now");
      return respondWithState(ports, c, path.upstream, run);
    }),
  });
  return routes;
}

async function findUpstream({ registry }: ReconciliationPorts, id: string): Promise<Result<Upstream>> {
  return requireUpstream(await registry.uncached.upstream(id), NO_SUCH_UPSTREAM);
}

/** @param run the run that has just ended, if any */
async function respondWithState(
  ports: ReconciliationPorts,
  c: Context<AppEnv>,
  upstream: string,
  run?: object,
): Promise<Response | Err> {
  const read = await ports.reconciliations.read(upstream);
  if (!read.ok) return read;
  const { running, finished, failure } = read.value.state;
  return c.json({
    ...(run && { run }),
    ...(running && {
      running: {
        startedAt: rfc3339(running.startedAt),
        comparedUntil: rfc3339(running.cursor),
        until: rfc3339(running.until),
        ...countsOf(running),
      },
    }),
    ...(finished && {
      finished: {
        startedAt: rfc3339(finished.startedAt),
        endedAt: rfc3339(finished.endedAt),
        ...countsOf(finished),
      },
    }),
    ...(failure && { failure: { at: rfc3339(failure.at), reason: failure.reason } }),
  });
}

function countsOf(counts: SweepCounts): SweepCounts {
  return { ...addCounts(counts), skippedUids: counts.skippedUids ?? [] };
}
