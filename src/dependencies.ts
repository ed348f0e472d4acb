import { v7 as uuidv7 } from "uuid";
import { createDeliveryQueue } from "./adapters/webhooks/delivery-queue.ts";
import { createAuthFailureLimiter } from "./adapters/auth/auth-failure-limiter.ts";
import {
  type LostUploadSearches,
  announcePlan,
  createBudget,
  createLostUploadSearches,
} from "./adapters/durable-objects/budget-client.ts";
import { createLedgers } from "./adapters/durable-objects/ledger-client.ts";
import { createRecentRejections } from "./adapters/durable-objects/recent-rejections.ts";
import { createRegistryIndex } from "./adapters/d1/registry-index.ts";
import { createReconciliationStates } from "./adapters/d1/reconciliation-state.ts";
import { type InvalidatableRegistry, createRegistry } from "./adapters/d1/cached-registry.ts";
import { createAdminRegistry } from "./adapters/d1/admin-registry.ts";
import { createFieldEncryption } from "./adapters/d1/field-encryption.ts";
import { secretHashes } from "./adapters/auth/hashing.ts";
import { createStreamApi } from "./adapters/stream/stream-api.ts";
import { type StreamClient, createStreamClient } from "./adapters/stream/client.ts";
import { streamSignatures } from "./adapters/stream/verify-signature.ts";
import { createVideoTags } from "./adapters/stream/video-tags.ts";
import { createStreamWebhooks } from "./adapters/stream/webhooks.ts";
import { createTelemetry } from "./adapters/telemetry/telemetry.ts";
import { createPlaybackTokens } from "./adapters/auth/playback-tokens.ts";
import { createTokens } from "./adapters/auth/tokens.ts";
import { createWebhooks } from "./adapters/webhooks/http-sender.ts";
import type { Config } from "./config.ts";
import type { AdminRegistry } from "./core/ports/admin-registry.ts";
import type { AuthFailureLimiter } from "./core/ports/auth-failure-limiter.ts";
import type { SecretHashes } from "./core/ports/hashes.ts";
import type { Ledgers } from "./core/ports/ledger.ts";
import type { RecentRejections } from "./core/ports/recent-rejections.ts";
import type { ReconciliationStates } from "./core/ports/reconciliation-state.ts";
import type { StreamSignatures } from "./core/ports/stream-signatures.ts";
import type { Telemetry } from "./core/ports/telemetry.ts";
import type { Tokens } from "./core/ports/tokens.ts";
import type { VideoTags } from "./core/ports/video-tags.ts";
import type { DeliveryQueue, EndpointHealth, Webhooks } from "./core/ports/webhooks.ts";
import type { Budget } from "./core/ports/budget.ts";
import type { PlaybackTokens } from "./core/ports/playback-tokens.ts";
import type { Provisioning } from "./core/ports/provisioning.ts";
import type { CachedRegistry, Registry, RegistryIndex } from "./core/ports/registry.ts";
import type { StreamApi, StreamWebhooks } from "./core/ports/stream.ts";

/** All ports, and the configuration. Routes, queue consumers and objects take the part that they need. */
export interface Dependencies {
  readonly config: Config;
  readonly registry: CachedRegistry;
  readonly directory: RegistryIndex;
  readonly adminRegistry: AdminRegistry;
  readonly reconciliations: ReconciliationStates;
  readonly ledgers: Ledgers;
  readonly budget: Budget;
  readonly refusals: RecentRejections;
  readonly stream: StreamApi;
  readonly streamWebhooks: StreamWebhooks;
  readonly signatures: StreamSignatures;
  readonly tags: VideoTags;
  readonly tokens: Tokens;
  readonly playbackTokens: PlaybackTokens;
  readonly hashes: SecretHashes;
  readonly failures: AuthFailureLimiter;
  readonly deliveries: DeliveryQueue;
  readonly webhooks: Webhooks;
  readonly health: EndpointHealth;
  readonly provisioning: Provisioning;
  readonly telemetry: Telemetry;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  /** Seconds since the epoch. */
  readonly now: () => number;
  readonly wait: (seconds: number) => Promise<void>;
  /** Seconds after which a creation without an answer from Stream counts as lost. */
  readonly answerSeconds: number;
  readonly newUploadId: () => string;
  readonly newGrantId: () => string;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** Cryptographically random. */
  readonly randomBytes: (count: number) => Uint8Array;
}

/** What a ledger needs to publish its events, settle its uploads and verify tags. */
export interface LedgerDependencies {
  readonly registry: InvalidatableRegistry;
  readonly stream: StreamApi;
  readonly budget: Budget;
  readonly searches: LostUploadSearches;
  readonly deliveries: DeliveryQueue;
  readonly tags: VideoTags;
}

/** What a budget's object needs to search for lost uploads. */
export interface SearchDependencies {
  readonly registry: Registry;
  readonly stream: StreamApi;
  readonly ledgers: Ledgers;
}

export function createLedgerDependencies(env: Env, config: Config): LedgerDependencies {
  const budget = createBudget(env.BUDGET);
  return {
    registry: createRegistry(env.DB, config, createFieldEncryption(config.masterKeys), Date.now),
    stream: createStreamApi(streamClient(config, budget), config.allowLoopback),
    budget,
    searches: createLostUploadSearches(env.BUDGET),
    deliveries: createDeliveryQueue(env.DELIVERIES, env.DELIVERIES_SLOW),
    tags: createVideoTags(config.masterKeys),
  };
}

export function createSearchDependencies(env: Env, config: Config): SearchDependencies {
  const { registry, stream } = createLedgerDependencies(env, config);
  return { registry, stream, ledgers: createLedgers(env.LEDGER) };
}

/** From the reservation to the call, and from Stream's answer to the ledger. */
const ANSWER_MARGIN_SECONDS = 5;

/** Blocks an upstream's budget when Stream limits its calls. */
function streamClient({ streamDeadlineMs, allowLoopback }: Config, budget: Budget): StreamClient {
  return createStreamClient({
    deadlineMs: streamDeadlineMs,
    allowLoopback,
    onRateLimited: (upstream, seconds) => budget.block(upstream, seconds),
  });
}

/** Constructs the adapter behind each port. No adapter is constructed anywhere else. */
export function createDependencies(env: Env, config: Config): Dependencies {
  const shared = createLedgerDependencies(env, config);
  const { registry } = shared;
  const ledgers = createLedgers(env.LEDGER);
  const encryption = createFieldEncryption(config.masterKeys);
  const adminRegistry = createAdminRegistry(env.DB, encryption, Date.now, {
    onWrite: (bookmark) => registry.invalidate(bookmark),
    onPlanChanged: (plan, version, upstreams) => announcePlan(env.BUDGET, plan, version, upstreams),
    onTenantChanged: (tenant, version, hasEndpoints) => ledgers.syncTenantVersion(tenant, version, hasEndpoints),
  });
  return {
    ...shared,
    config,
    adminRegistry,
    health: adminRegistry.health,
    provisioning: adminRegistry.provisioning,
    webhooks: createWebhooks(Date.now),
    tokens: createTokens(config.grantKeys, config.allowLoopback),
    playbackTokens: createPlaybackTokens(),
    hashes: secretHashes,
    ledgers,
    refusals: createRecentRejections(Date.now),
    directory: createRegistryIndex(env.DB, config),
    reconciliations: createReconciliationStates(env.DB),
    streamWebhooks: createStreamWebhooks(streamClient(config, shared.budget)),
    signatures: streamSignatures,
    failures: createAuthFailureLimiter(env.FAILURES, Date.now),
    telemetry: createTelemetry(env.ANALYTICS),
    nowMs: Date.now,
    now: () => Math.floor(Date.now() / 1000),
    wait: (seconds) => scheduler.wait(seconds * 1000),
    answerSeconds: Math.ceil(config.streamDeadlineMs / 1000) + ANSWER_MARGIN_SECONDS,
    // Sorted by time, so that the list of uploads needs no index.
    newUploadId: uuidv7,
    newGrantId: uuidv7,
    random: Math.random,
    randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  };
}
