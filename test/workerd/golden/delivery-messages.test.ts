import { createMessageBatch, getQueueResult, createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Delivery } from "../../../src/core/webhooks/rules/delivery.ts";
import worker from "../../../src/index.ts";
import { DELIVERIES } from "../../../src/queues/names.ts";
import { asOperator } from "../support/worker.ts";
import messages from "./delivery-messages.json";
import { GOLDEN_TIME, goldenId, goldenUid } from "./golden.ts";

/** Messages of the deliveries queue. The bodies of the other queue are Cloudflare's. */

const TENANT = "golden-events";
const byEvent = (one: Delivery, other: Delivery) => one.event.id.localeCompare(other.event.id);

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: GOLDEN_TIME * 1000 });
  await asOperator("PUT", `/tenants/${TENANT}`, {});
  await asOperator("PUT", `/tenants/${TENANT}/endpoints/main`, { url: "https://hooks.acme.com/" });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe("the deliveries queue", () => {
  it("gets messages in the same shape", async () => {
    const send = vi.spyOn(env.DELIVERIES, "sendBatch").mockResolvedValue({} as QueueSendBatchResponse);
    const ledger = env.LEDGER.getByName(TENANT);
    const size = { bytes: 1000, seconds: 60, expires: GOLDEN_TIME + 1800 };
    for (const number of [1, 2, 3, 4]) {
      const creator = number === 1 ? { creator: "u_1" } : {};
      const id = goldenId(number);
      await ledger.reserve({ id, version: 1e15, limits: {}, upstream: "default", ...size, ...creator });
      await ledger.attach(id, goldenUid(number), "https://upload.cloudflarestream.com/x");
    }
    const ready = { kind: "ready", uid: goldenUid(1), seconds: 12.5, bytes: 900 } as const;
    const failed = { kind: "failed", uid: goldenUid(2), reason: "ERR_NON_VIDEO" } as const;
    for (const report of [ready, failed]) await ledger.record("default", { report, json: {} });
    for (const number of [3, 1]) await ledger.cancel(goldenId(number), 1e15);
    const sent = () => send.mock.calls.flatMap(([batch]) => [...batch].map(({ body }) => body as Delivery));
    await vi.waitFor(() => expect(sent()).toHaveLength(messages.length));
    // Uploads may have more fields.
    const isNew = (field: string) => field === "subject" || field === "namespace";
    const shape: unknown = JSON.parse(JSON.stringify(sent().toSorted(byEvent)), (field, value: unknown) =>
      isNew(field) ? undefined : value,
    );
    expect(shape).toStrictEqual(messages);
  });

  it("delivers the messages of an older Worker with their bodies unchanged", async () => {
    const bodies: unknown[] = [];
    vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
      bodies.push(await new Request(url, init).json());
      return new Response(null, { status: 204 });
    });
    const batch = createMessageBatch(
      DELIVERIES,
      messages.map((body, index) => ({ id: String(index), timestamp: new Date(), attempts: 1, body })),
    );
    const context = createExecutionContext();
    await worker.queue(batch, env, context);
    const result = await getQueueResult(batch, context);
    expect(result.explicitAcks).toHaveLength(messages.length);
    expect(bodies).toEqual(expect.arrayContaining(messages.map(({ event }) => event.body)));
    expect(bodies).toHaveLength(messages.length);
  });
});
