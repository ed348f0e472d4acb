import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import worker from "../../src/index.ts";
import { DEAD_DELIVERIES, DELIVERIES, STREAM_EVENTS } from "../../src/queues/names.ts";

/** A Worker that has been deployed with a secret that is mistyped. */

const mistyped = { ...env, GRANT_KEYS: "g1:not-base64" };

it.each([DELIVERIES, DEAD_DELIVERIES, STREAM_EVENTS])(
  "leaves what is in %s for later, so that the retries last until the secret is put right",
  async (queue) => {
    const batch = createMessageBatch(queue, [{ id: "m1", timestamp: new Date(), attempts: 1, body: {} }]);
    const retryAll = vi.spyOn(batch, "retryAll");
    await worker.queue(batch, mistyped);
    expect(retryAll).toHaveBeenCalledWith({ delaySeconds: 3_600 });
    expect(await getQueueResult(batch, createExecutionContext())).toMatchObject({
      retryBatch: { retry: true },
      explicitAcks: [],
    });
  },
);
