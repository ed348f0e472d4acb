import { createApp } from "./app.ts";
import { ConfigError, parseConfig } from "./config.ts";
import { type Dependencies, createDependencies } from "./dependencies.ts";
import { ALLOW_HEADERS, ALLOW_METHODS } from "./http/middleware/cors.ts";
import { overrideMethod } from "./http/middleware/method-override.ts";
import { consumeDeadDeliveries, consumeDeliveries } from "./queues/deliveries.ts";
import { DEAD_DELIVERIES, DELIVERIES, STREAM_EVENTS } from "./queues/names.ts";
import { consumeStreamEvents } from "./queues/stream-events.ts";
import { reconcileAll } from "./core/reconciliation/reconcile.ts";

export { TenantLedger } from "./durable-objects/tenant-ledger/tenant-ledger.ts";
export { UpstreamBudget } from "./durable-objects/upstream-budget.ts";

/** As `respondProblem` would write it, if there were an app to answer with. */
const MISCONFIGURED = {
  type: "about:blank",
  title: "Not configured",
  status: 500,
  code: "misconfigured",
  success: false,
  errors: [{ code: 10500, message: "The gateway is not configured." }],
  messages: [],
  result: null,
};

/**
 * Before a Worker that is misconfigured takes its messages again. Each time counts as one of the 10 retries that the queues
 * have at least: so there are ten hours to put a setting right, and what had waited comes within one.
 */
const MISCONFIGURED_RETRY_SECONDS = 3_600;

/** Made by an isolate's first event, since the settings come with it; kept for the isolate's life. */
let dependencies: Dependencies | undefined;
let app: ReturnType<typeof createApp> | undefined;

export default {
  async fetch(request, env, context) {
    if (!app) {
      const ports = dependenciesOf(env);
      if (!ports) return refuseMisconfigured(request);
      app = createApp(ports);
    }
    return app.fetch(overrideMethod(request), env, context);
  },

  /** A batch of a Worker that is misconfigured stays in its queue; one that throws comes again after `retry_delay`. */
  async queue(batch, env) {
    const ports = dependenciesOf(env);
    if (!ports) return batch.retryAll({ delaySeconds: MISCONFIGURED_RETRY_SECONDS });
    switch (batch.queue) {
      case DELIVERIES:
        return consumeDeliveries(batch, ports);
      case DEAD_DELIVERIES:
        return consumeDeadDeliveries(batch, ports);
      case STREAM_EVENTS:
        return consumeStreamEvents(batch, ports);
      default:
        throw new Error(`There is no consumer of the queue ${batch.queue}.`);
    }
  },

  async scheduled(_controller, env) {
    const ports = dependenciesOf(env);
    if (!ports) return;
    const runs = await reconcileAll(ports);
    ports.telemetry.recordJob("reconcile", runs.ok ? { runs: runs.value } : { problem: runs.problem.code });
  },
} satisfies ExportedHandler<Env>;

/** Undefined where a setting is wrong: the log says which. */
function dependenciesOf(env: Env): Dependencies | undefined {
  try {
    dependencies ??= createDependencies(env, parseConfig(env));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
  }
  return dependencies;
}

/** To pages of any origin: whose they are cannot be looked up. */
function refuseMisconfigured({ method }: Request): Response {
  const cors = { "Access-Control-Allow-Origin": "*" };
  if (method === "OPTIONS") {
    const allowed = { "Access-Control-Allow-Methods": ALLOW_METHODS, "Access-Control-Allow-Headers": ALLOW_HEADERS };
    return new Response(null, { status: 204, headers: { ...cors, ...allowed } });
  }
  const headers = { "Content-Type": "application/problem+json", ...cors };
  return Response.json(MISCONFIGURED, { status: 500, headers });
}
