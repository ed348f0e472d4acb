import { createHmac } from "node:crypto";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { createGatewayTemplate } from "../support/gateway-template.ts";
import { startTestGateway } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";
import { type Receiver, startReceiver } from "../support/webhook-receiver.ts";

/** Rates of notifications recorded and events delivered. */
export interface EventRates {
  /** Number of notifications. */
  readonly events: number;
  readonly recordedPerSecond: number;
  readonly deliveredPerSecond: number;
}

const TENANTS = 10;
const CONCURRENCY = 32;
const SECRET = "webhook-secret-of-the-bench";
const POLL_MS = 20;

/**
 * Sends one signed Stream notification per upload; measures the time until all are answered and until all events are delivered.
 * Runs on Miniflare, for its Queues: slower than plain workerd.
 */
export async function measureEvents(events: number): Promise<EventRates> {
  const plenty = 1_000_000;
  const template = await createGatewayTemplate();
  const harness = await startTestGateway(
    { STREAM_CALLS_PER_WINDOW: String(plenty), STREAM_WEBHOOK_SECRETS: SECRET },
    { apiLimit: plenty, maxQueued: plenty, storageSeconds: plenty * 1_000 },
    template,
  );
  const receiver = await startReceiver();
  try {
    const keys = await Promise.all(
      Array.from({ length: TENANTS }, async (_, index) => {
        const tenant = `tenant-${index}`;
        const policy = { metadata: { maxdurationseconds: { force: 60 } } };
        const key = await harness.tenant(tenant, { policy });
        await harness.operator("PUT", `/tenants/${tenant}/endpoints/bench`, { url: receiver.url(tenant) });
        return key;
      }),
    );
    const bodies: string[] = [];
    await inParallel(events, async (index) => {
      const tenant = `tenant-${index % TENANTS}`;
      const created = await create(harness.url, tenant, bearer(keys[index % TENANTS] ?? ""));
      if (created.status !== 201) throw new Error(`${created.status} ${await created.text()}`);
      const { headers } = created;
      bodies[index] = readyEvent(headers.get("stream-media-id"), `${tenant}/${headers.get("sluice-upload-id")}`);
    });
    await deliveries(receiver, events);

    const started = performance.now();
    await inParallel(events, (index) => send(`${harness.url}/hooks/stream/default`, bodies[index] ?? ""));
    const recorded = performance.now();
    await deliveries(receiver, 2 * events);
    const rate = (until: number) => Math.round((events / (until - started)) * 1_000);
    return { events, recordedPerSecond: rate(recorded), deliveredPerSecond: rate(performance.now()) };
  } finally {
    await receiver.close();
    await harness.stop();
    await rm(template.statePath, { recursive: true });
  }
}

function readyEvent(uid: string | null, sluice: string): string {
  const status = { state: "ready", pctComplete: "100.000000", errorReasonCode: "", errorReasonText: "" };
  return JSON.stringify({ uid, status, meta: { name: "holiday", sluice }, duration: 12.5, size: 1_000 });
}

async function send(url: string, body: string): Promise<void> {
  const time = Math.floor(Date.now() / 1000);
  const signature = createHmac("sha256", SECRET).update(`${time}.${body}`).digest("hex");
  const headers = { "Content-Type": "application/json", "Webhook-Signature": `time=${time},sig1=${signature}` };
  const answer = await fetch(url, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  await answer.body?.cancel();
}

/** Waits for a number of deliveries. */
async function deliveries(receiver: Receiver, count: number): Promise<void> {
  while (receiver.received.length < count) await sleep(POLL_MS);
}

async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
