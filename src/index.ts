import { createApp } from "./app.ts";
import { ConfigError, parseConfig } from "./config.ts";
import { type Dependencies, createDependencies } from "./dependencies.ts";
import { overrideMethod } from "./middleware/method-override.ts";
import { consumeDeadDeliveries, consumeDeliveries } from "./queues/deliveries.ts";
import { DEAD_DELIVERIES, DELIVERIES, STREAM_EVENTS } from "./queues/names.ts";
import { consumeStreamEvents } from "./queues/stream-events.ts";
import { reconcileAll } from "./usecases/reconcile.ts";

export { TenantLedger } from "./objects/tenant-ledger.ts";
export { UpstreamBudget } from "./objects/upstream-budget.ts";

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

/** Made by an isolate's first event, since the settings come with it; kept for the isolate's life. */
let dependencies: Dependencies | undefined;
let app: ReturnType<typeof createApp> | undefined;

export default {
  async fetch(request, env, context) {
    try {
      app ??= createApp(dependenciesOf(env));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      console.error(error.message);
      const headers = { "Content-Type": "application/problem+json", "Access-Control-Allow-Origin": "*" };
      return Response.json(MISCONFIGURED, { status: 500, headers });
    }
    return app.fetch(overrideMethod(request), env, context);
  },

  /** A batch that cannot be consumed at all stays in its queue. */
  async queue(batch, env) {
    switch (batch.queue) {
      case DELIVERIES:
        return consumeDeliveries(batch, dependenciesOf(env));
      case DEAD_DELIVERIES:
        return consumeDeadDeliveries(batch, dependenciesOf(env));
      case STREAM_EVENTS:
        return consumeStreamEvents(batch, dependenciesOf(env));
      default:
        throw new Error(`There is no consumer of the queue ${batch.queue}.`);
    }
  },

  async scheduled(_controller, env) {
    const ports = dependenciesOf(env);
    const runs = await reconcileAll(ports);
    ports.telemetry.recordJob("reconcile", runs.ok ? { runs: runs.value } : { problem: runs.problem.code });
  },
} satisfies ExportedHandler<Env>;

function dependenciesOf(env: Env): Dependencies {
  dependencies ??= createDependencies(env, parseConfig(env));
  return dependencies;
}
