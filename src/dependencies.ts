import { v7 as uuidv7 } from "uuid";
import { createDeliveryQueue } from "./adapters/webhooks/delivery-queue.ts";
import type { AuthFailureLimiter } from "./core/ports/auth-failure-limiter.ts";
import { createAuthFailureLimiter } from "./adapters/auth/auth-failure-limiter.ts";
import { createBudget } from "./adapters/durable-objects/budget-client.ts";
import { createLedgers } from "./adapters/durable-objects/ledger-client.ts";
import { createRecentRejections } from "./adapters/durable-objects/recent-rejections.ts";
import { createRegistryIndex } from "./adapters/d1/registry-index.ts";
import { createReconciliationStates } from "./adapters/d1/reconciliation-state.ts";
import { type InvalidatableRegistry, createRegistry } from "./adapters/d1/cached-registry.ts";
import { createRegistryStore } from "./adapters/d1/admin-registry.ts";
import { createFieldEncryption } from "./adapters/d1/field-encryption.ts";
import { secretHashes } from "./adapters/auth/hashing.ts";
import { createStreamApi } from "./adapters/stream/stream-api.ts";
import { type StreamClient, createStreamClient } from "./adapters/stream/client.ts";
import { createStreamWebhooks } from "./adapters/stream/webhooks.ts";
import { createTelemetry } from "./adapters/telemetry/telemetry.ts";
import { type Telemetry } from "./core/ports/telemetry.ts";
import { createTokens } from "./adapters/auth/tokens.ts";
import { createWebhooks } from "./adapters/webhooks/http-sender.ts";
import type { Config } from "./config.ts";
import type { StreamEventPorts } from "./queues/stream-events.ts";
import type { AdminDependencies } from "./http/routes/admin/admin.ts";
import type { StreamWebhookPorts } from "./http/routes/stream-webhook.ts";
import type { CreateUploadPorts } from "./core/uploads/create-upload.ts";
import type { DeliverEventPorts } from "./core/webhooks/deliver-event.ts";
import type { MintGrantPorts } from "./core/auth/mint-grant.ts";
import type { Ledgers } from "./core/ports/ledger.ts";
import type { Budget } from "./core/ports/budget.ts";
import type { CachedRegistry, RegistryIndex } from "./core/ports/registry.ts";
import type { StreamApi } from "./core/ports/stream.ts";
import type { DeliveryQueue } from "./core/ports/webhooks.ts";

/** What the routes are made with: every port of the use cases, and what the middleware needs. */
export interface Dependencies
  extends
    CreateUploadPorts,
    MintGrantPorts,
    DeliverEventPorts,
    StreamEventPorts,
    StreamWebhookPorts,
    AdminDependencies {
  readonly budget: Budget;
  readonly config: Config;
  readonly directory: RegistryIndex;
  readonly registry: CachedRegistry;
  readonly ledgers: Ledgers;
  readonly stream: StreamApi;
  readonly failures: AuthFailureLimiter;
  readonly telemetry: Telemetry;
}

/** What a ledger needs to publish its events and settle its due uploads. */
export interface LedgerDependencies {
  readonly registry: InvalidatableRegistry;
  readonly stream: StreamApi;
  readonly budget: Budget;
  readonly deliveries: DeliveryQueue;
}

export function createLedgerDependencies(env: Env, config: Config): LedgerDependencies {
  const budget = createBudget(env.BUDGET);
  return {
    registry: createRegistry(env.DB, config, createFieldEncryption(config.masterKeys), Date.now),
    stream: createStreamApi(streamClient(config, budget), config.allowLoopback),
    budget,
    deliveries: createDeliveryQueue(env.DELIVERIES),
  };
}

/** Blocks an upstream's budget when Stream limits its calls. */
function streamClient({ streamDeadlineMs }: Config, budget: Budget): StreamClient {
  return createStreamClient({
    deadlineMs: streamDeadlineMs,
    onRateLimited: (upstream, seconds) => budget.block(upstream, seconds),
  });
}

/** Puts an adapter behind each port; nothing is constructed anywhere else. */
export function createDependencies(env: Env, config: Config): Dependencies {
  const shared = createLedgerDependencies(env, config);
  const { registry } = shared;
  const ledgers = createLedgers(env.LEDGER);
  const sealing = createFieldEncryption(config.masterKeys);
  const store = createRegistryStore(env.DB, sealing, Date.now, {
    onWrite: (bookmark) => registry.invalidate(bookmark),
    onTenantChanged: (tenant, version, hasEndpoints) => ledgers.syncTenantVersion(tenant, version, hasEndpoints),
  });
  return {
    ...shared,
    config,
    store,
    health: store.health,
    webhooks: createWebhooks(Date.now),
    tokens: createTokens(config.grantKeys, config.allowLoopback),
    hashes: secretHashes,
    ledgers,
    refusals: createRecentRejections(Date.now),
    directory: createRegistryIndex(env.DB, config),
    reconciliations: createReconciliationStates(env.DB),
    streamWebhooks: createStreamWebhooks(streamClient(config, shared.budget)),
    failures: createAuthFailureLimiter(env.FAILURES, Date.now),
    telemetry: createTelemetry(env.ANALYTICS),
    nowMs: Date.now,
    now: () => Math.floor(Date.now() / 1000),
    // Sorts by time, so that a list of uploads needs no index of its own.
    newUploadId: uuidv7,
    newGrantId: uuidv7,
  };
}
