import { type Context, Hono } from "hono";
import type { Result } from "../../../core/shared/result.ts";
import { requireUpstream } from "../../../core/stream/rules/upstream.ts";
import { rfc3339 } from "../../../core/shared/time.ts";
import type { SweepCounts } from "../../../core/reconciliation/rules/sweep.ts";
import type { AppEnv } from "../../app-env.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import { type ReconcilePorts, reconcile } from "../../../core/reconciliation/reconcile.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { readSlug } from "./schemas.ts";
import { noSuchUpstream } from "./upstreams.ts";

export interface ReconciliationPorts extends ReconcilePorts {
  readonly registry: CachedRegistry;
}

/**
 * `upstreams/:id/reconciliation`: how far the comparison of Stream with the ledgers has come, and what it has found. `POST`
 * begins a sweep now, or goes on with the one that is running, by some pages; the clock does the rest.
 */
export function reconciliationRoutes(ports: ReconciliationPorts): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.get("/", async (c) => {
    const id = await readUpstream(ports.registry, c);
    return id.ok ? respondWithState(ports, c, id.value) : respondProblem(c, id.problem);
  });

  routes.post("/", async (c) => {
    const id = await readUpstream(ports.registry, c);
    if (!id.ok) return respondProblem(c, id.problem);
    const run = await reconcile(ports, id.value, "now");
    return respondWithState(ports, c, id.value, run);
  });

  routes.all("/", allowOnly("GET", "HEAD", "POST"));
  return routes;
}

async function readUpstream({ uncached }: CachedRegistry, c: Context<AppEnv>): Promise<Result<string>> {
  const id = readSlug(c, "upstream");
  if (!id.ok) return id;
  const upstream = requireUpstream(await uncached.upstream(id.value), noSuchUpstream);
  return upstream.ok ? id : upstream;
}

/** With the run that has just been made, if there was one. */
async function respondWithState(ports: ReconciliationPorts, c: Context<AppEnv>, upstream: string, run?: object) {
  const read = await ports.reconciliations.read(upstream);
  if (!read.ok) return respondProblem(c, read.problem);
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

function countsOf({ pages, videos, settled, imported, missing, unmanaged }: SweepCounts): SweepCounts {
  return { pages, videos, settled, imported, missing, unmanaged };
}
