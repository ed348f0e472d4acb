import type { MiddlewareHandler } from "hono";
import { Routes } from "../../routes.ts";
import type { Config } from "../../../config.ts";
import type { CreateApiKeyPorts } from "../../../core/auth/create-api-key.ts";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import type { Budget } from "../../../core/ports/budget.ts";
import type { Ledgers } from "../../../core/ports/ledger.ts";
import type { StreamApi } from "../../../core/ports/stream.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import { problem } from "../../../core/shared/problem.ts";
import { RegistryUnavailable, registryUnavailable } from "../../../core/shared/registry-unavailable.ts";
import type { RedeliverEventPorts } from "../../../core/webhooks/redeliver-event.ts";
import type { AppEnv } from "../../app-env.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { auditRoutes } from "./audit.ts";
import { endpointRoutes } from "./endpoints.ts";
import { eventRoutes } from "./events.ts";
import { type IssuerRoutePorts, issuerRoutes } from "./issuers.ts";
import { keyRoutes } from "./keys.ts";
import { planRoutes } from "./plans.ts";
import { type ReconciliationPorts, reconciliationRoutes } from "./reconciliations.ts";
import { type SigningKeyRoutePorts, signingKeyRoutes } from "./signing-keys.ts";
import { tenantRoutes } from "./tenants.ts";
import { type UpstreamWebhookPorts, upstreamWebhookRoutes } from "./upstream-webhooks.ts";
import { type UpstreamRoutePorts, upstreamRoutes } from "./upstreams.ts";

export interface AdminPorts
  extends
    CreateApiKeyPorts,
    IssuerRoutePorts,
    RedeliverEventPorts,
    SigningKeyRoutePorts,
    UpstreamRoutePorts,
    UpstreamWebhookPorts,
    ReconciliationPorts {
  readonly adminRegistry: AdminRegistry;
  readonly registry: CachedRegistry;
  readonly ledgers: Ledgers;
  readonly budget: Budget;
  readonly stream: StreamApi;
  readonly config: Pick<Config, "operatorToken" | "allowLoopback">;
}

/** The operator's API. `PUT` creates (201) or replaces (200) the whole document. */
export function adminRoutes(ports: AdminPorts): Routes {
  const { adminRegistry, config } = ports;
  const routes = new Routes();

  routes.use(requireOperator(ports));
  routes.onError((error, c) => {
    if (!(error instanceof RegistryUnavailable)) throw error;
    return respondProblem(c, registryUnavailable(error));
  });

  routes.route("/tenants/:tenant/keys", keyRoutes(ports));
  routes.route("/tenants/:tenant/endpoints", endpointRoutes(adminRegistry, config));
  routes.route("/tenants/:tenant/events", eventRoutes(ports));
  routes.route("/tenants", tenantRoutes(ports));
  routes.route("/plans", planRoutes(ports));
  routes.route("/issuers", issuerRoutes(ports));
  routes.route("/upstreams/:upstream/webhook", upstreamWebhookRoutes(ports));
  routes.route("/upstreams/:upstream/signing-keys", signingKeyRoutes(ports));
  routes.route("/upstreams/:upstream/reconciliation", reconciliationRoutes(ports));
  routes.route("/upstreams", upstreamRoutes(ports));
  routes.route("/audit", auditRoutes(adminRegistry));
  return routes;
}

function requireOperator({ hashes, config }: Pick<AdminPorts, "hashes" | "config">): MiddlewareHandler<AppEnv> {
  return async function requireOperator(c, next) {
    const authorization = c.req.header("authorization");
    if (authorization === undefined)
      return respondProblem(c, problem("credential_missing", "Send Authorization: Bearer <operator token>."));
    const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? "";
    if (!(await hashes.equal(token, config.operatorToken)))
      return respondProblem(c, problem("credential_invalid", "The operator token is not valid."));
    c.header("Cache-Control", "no-store");
    return next();
  };
}
