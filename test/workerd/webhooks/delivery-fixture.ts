import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, vi } from "vitest";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createAdminRegistry } from "../../../src/adapters/d1/admin-registry.ts";
import type { AdminRegistry } from "../../../src/core/ports/admin-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import { createWebhooks } from "../../../src/adapters/webhooks/http-sender.ts";
import { parseConfig } from "../../../src/config.ts";
import { type consumeDeliveries, consumeSlowDeliveries } from "../../../src/queues/deliveries.ts";
import type { DeliverEventPorts } from "../../../src/core/webhooks/deliver-event.ts";
import type { DeliveryAttempt, QueuedDelivery } from "../../../src/core/webhooks/rules/delivery.ts";
import { webhookEvent } from "../../support/event-fixtures.ts";
import { TENANT_SETTINGS } from "../support/worker.ts";

export const SECRET = `whsec_${"A".repeat(43)}=`;
export const SECOND = `whsec_${"B".repeat(43)}=`;
export const ENDPOINT = { url: "https://hooks.acme.com/", disabled: false };

/** State of one test. Assign `time`, `ports` or `requests` to change it. */
export const context = {} as {
  /** The clock, in milliseconds since the epoch. */
  time: number;
  store: AdminRegistry;
  ports: DeliverEventPorts;
  attempts: [tenant: string, eventId: string, attempt: DeliveryAttempt][];
  requests: Request[];
  /** What was sent to the queues. */
  sent: QueuedDelivery[];
  /** How long each wait lasts, in milliseconds. */
  waitMs: number;
};

/** Creates the tenant `acme` with the endpoint `main` before each test. */
export function useDeliveries(): void {
  beforeEach(async () => {
    context.time = Date.now();
    context.attempts = [];
    context.requests = [];
    context.sent = [];
    context.waitMs = 1_000;
    const config = { ...parseConfig(env), allowLoopback: false };
    const encryption = createFieldEncryption(config.masterKeys);
    const now = () => context.time;
    const registry = createRegistry(env.DB, config, encryption, now);
    context.store = createAdminRegistry(env.DB, encryption, now, {
      onWrite: () => {},
      onPlanChanged: async () => 0,
      onTenantChanged: async () => {},
    });
    context.ports = {
      registry,
      ledgers: { recordAttempt: async (...attempt) => void context.attempts.push(attempt) },
      deliveries: { send: async (deliveries) => void context.sent.push(...deliveries) },
      webhooks: createWebhooks(now),
      health: context.store.health,
      nowMs: now,
      wait: () => scheduler.wait(context.waitMs),
      random: () => 0.5,
      config,
    };
    await context.store.tenants.put("acme", TENANT_SETTINGS);
    await context.store.endpoints.put("acme", "main", ENDPOINT, SECRET);
  });
  afterEach(() => vi.unstubAllGlobals());
}

/** Records requests to endpoints in `context.requests` and responds with this. */
export function stubEndpoint(respond: () => Response | Promise<Response>): void {
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const request = new Request(url, init);
    context.requests.push(request);
    return respond();
  });
}

export const DELIVERY = { tenant: "acme", endpoint: "main", event: webhookEvent() };

/**
 * @param attempts how often the queue has delivered the messages, this time included
 * @returns when the consumer has returned; `rest` is what it has left to `waitUntil`
 */
export async function consume(
  bodies: readonly unknown[],
  attempts = 1,
  consumer: typeof consumeDeliveries = consumeSlowDeliveries,
) {
  const messages = bodies.map((body, index) => ({ id: `m${index}`, timestamp: new Date(), attempts, body }));
  const batch = createMessageBatch("any", messages);
  // The test batch does not expose the delay of a retry.
  const retries = batch.messages.map((message) => vi.spyOn(message, "retry"));
  const rest: Promise<unknown>[] = [];
  await consumer(batch, context.ports, (work) => void rest.push(work));
  const { explicitAcks, retryMessages } = await getQueueResult(batch, createExecutionContext());
  const delays = retries.flatMap((retry) => retry.mock.calls.map(([options]) => options?.delaySeconds));
  return { acked: explicitAcks, retried: retryMessages.map(({ msgId }) => msgId), delays, rest };
}

export const storedEndpoint = async () => {
  const document = await context.store.endpoints.get("acme", "main");
  if (!document) throw new Error("There is no endpoint.");
  return document;
};
