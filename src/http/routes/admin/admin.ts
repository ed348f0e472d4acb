import { Hono } from "hono";
import { RegistryUnavailable, registryUnavailable } from "../../../adapters/d1/database.ts";
import type { RegistryStore } from "../../../adapters/d1/admin-registry.ts";
import { sha256 } from "../../../adapters/auth/hashing.ts";
import type { Config } from "../../../config.ts";
import { problem } from "../../../core/shared/problem.ts";
import type { AppEnv } from "../../app-env.ts";
import type { Ledgers } from "../../../core/ports/ledger.ts";
import type { Budget } from "../../../core/ports/budget.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import type { RedeliverEventPorts } from "../../../core/webhooks/redeliver-event.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { auditRoutes } from "./audit.ts";
import { endpointRoutes } from "./endpoints.ts";
import { eventRoutes } from "./events.ts";
import { issuerRoutes } from "./issuers.ts";
import { keyRoutes } from "./keys.ts";
import { type ReconciliationPorts, reconciliationRoutes } from "./reconciliations.ts";
import { tenantRoutes } from "./tenants.ts";
import { type UpstreamWebhookPorts, upstreamWebhookRoutes } from "./upstream-webhooks.ts";
import { upstreamRoutes } from "./upstreams.ts";

export interface AdminDependencies extends RedeliverEventPorts, UpstreamWebhookPorts, ReconciliationPorts {
  readonly store: RegistryStore;
  readonly registry: CachedRegistry;
  readonly ledgers: Ledgers;
  readonly budget: Budget;
  readonly config: Pick<Config, "operatorToken" | "allowLoopback">;
}

/** The operator's API: what is configured per tenant. `PUT` creates (201) or replaces (200) the whole document. */
export function adminRoutes(dependencies: AdminDependencies): Hono<AppEnv> {
  const { store, config } = dependencies;
  const routes = new Hono<AppEnv>();

  routes.use(async function requireOperator(c, next) {
    const authorization = c.req.header("authorization");
    if (authorization === undefined)
      return respondProblem(c, problem("credential_missing", "Send Authorization: Bearer <operator token>."));
    // Compared as hashes, so that neither the time nor a difference in length tells anything.
    const [presented, expected] = await Promise.all([
      sha256(/^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? ""),
      sha256(config.operatorToken),
    ]);
    if (!crypto.subtle.timingSafeEqual(presented, expected))
      return respondProblem(c, problem("credential_invalid", "The operator token is not valid."));
    c.header("Cache-Control", "no-store");
    return next();
  });

  routes.onError((error, c) => {
    if (!(error instanceof RegistryUnavailable)) throw error;
    return respondProblem(c, registryUnavailable(error));
  });

  routes.route("/tenants/:tenant/keys", keyRoutes(store));
  routes.route("/tenants/:tenant/endpoints", endpointRoutes(store, config));
  routes.route("/tenants/:tenant/events", eventRoutes(dependencies));
  routes.route("/tenants", tenantRoutes(store));
  routes.route("/issuers", issuerRoutes(store, config));
  routes.route("/upstreams/:upstream/webhook", upstreamWebhookRoutes(dependencies));
  routes.route("/upstreams/:upstream/reconciliation", reconciliationRoutes(dependencies));
  routes.route("/upstreams", upstreamRoutes(store, config));
  routes.route("/audit", auditRoutes(store));
  return routes;
}
