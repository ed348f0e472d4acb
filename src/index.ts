import { createApp } from "./app.ts";
import { ConfigError, parseConfig } from "./config.ts";
import { type Dependencies, createDependencies } from "./dependencies.ts";
import { problem } from "./core/shared/problem.ts";
import { ALLOW_HEADERS, ALLOW_METHODS } from "./http/middleware/cors.ts";
import { overrideMethod } from "./http/middleware/method-override.ts";
import { problemDocument, problemHeaders } from "./http/pipeline/problem-response.ts";
import { endAfterRequestBody, hasBody } from "./http/pipeline/unread-body.ts";
import { consumeDeadDeliveries, consumeDeliveries, consumeSlowDeliveries } from "./queues/deliveries.ts";
import { DEAD_DELIVERIES, DELIVERIES, SLOW_DELIVERIES, STREAM_NOTIFICATIONS } from "./queues/names.ts";
import { consumeStreamNotifications } from "./queues/stream-notifications.ts";
import { reconcileAll } from "./core/reconciliation/reconcile.ts";

export { TenantLedger } from "./durable-objects/tenant-ledger/tenant-ledger.ts";
export { UpstreamBudget } from "./durable-objects/upstream-budget.ts";

const MISCONFIGURED = problem("misconfigured", "The gateway is not configured. Its log names the setting.");

/**
 * Delay before the messages of a misconfigured Worker are delivered again. Each delivery counts as one of the queues' retries,
 * of which there are at least 10, so the operator has 10 hours to correct the setting.
 */
const MISCONFIGURED_RETRY_SECONDS = 3_600;

/** Created on the first event of an isolate, which brings the settings, and kept for the isolate's life. */
let dependencies: Dependencies | undefined;
let app: ReturnType<typeof createApp> | undefined;

export default {
  async fetch(request, env, context) {
    const response = respond(request, env, context);
    // If the client hangs up while its body is read, the request is still logged.
    if (hasBody(request.headers)) context.waitUntil(response);
    return endAfterRequestBody(request, await response, context);
  },

  /** A batch for a misconfigured Worker stays in its queue; one that throws is delivered again after `retry_delay`. */
  async queue(batch, env, context) {
    const ports = dependenciesOf(env);
    if (!ports) return batch.retryAll({ delaySeconds: MISCONFIGURED_RETRY_SECONDS });
    switch (batch.queue) {
      case DELIVERIES:
        return consumeDeliveries(batch, ports, (work) => context.waitUntil(work));
      case SLOW_DELIVERIES:
        return consumeSlowDeliveries(batch, ports);
      case DEAD_DELIVERIES:
        return consumeDeadDeliveries(batch, ports);
      case STREAM_NOTIFICATIONS:
        return consumeStreamNotifications(batch, ports);
      default:
        throw new Error(`No consumer for the queue "${batch.queue}".`);
    }
  },

  async scheduled(_controller, env) {
    const ports = dependenciesOf(env);
    if (!ports) return;
    const runs = await reconcileAll(ports);
    ports.telemetry.recordJob("reconcile", runs.ok ? { runs: runs.value } : { problem: runs.problem.code });
  },
} satisfies ExportedHandler<Env>;

async function respond(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
  if (!app) {
    const ports = dependenciesOf(env);
    if (!ports) return respondMisconfigured(request);
    app = createApp(ports);
  }
  return app.fetch(overrideMethod(request), env, context);
}

/** @returns `undefined` if a setting is invalid; the log names it */
function dependenciesOf(env: Env): Dependencies | undefined {
  try {
    dependencies ??= createDependencies(env, parseConfig(env));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
  }
  return dependencies;
}

/** Pages of any origin may read it, since the tenant's origins cannot be looked up. */
function respondMisconfigured({ method }: Request): Response {
  const cors = { "Access-Control-Allow-Origin": "*" };
  if (method === "OPTIONS") {
    const allowed = { "Access-Control-Allow-Methods": ALLOW_METHODS, "Access-Control-Allow-Headers": ALLOW_HEADERS };
    return new Response(null, { status: 204, headers: { ...cors, ...allowed } });
  }
  const headers = { ...problemHeaders(MISCONFIGURED), ...cors };
  return new Response(problemDocument(MISCONFIGURED), { status: 500, headers });
}
