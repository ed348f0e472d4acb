import { splitIntoBatches } from "../../core/webhooks/rules/batch-messages.ts";
import type { DeliveryQueue } from "../../core/ports/webhooks.ts";
import type { Delivery } from "../../core/webhooks/rules/delivery.ts";

/** Limits of one `sendBatch`. https://developers.cloudflare.com/queues/platform/limits/ */
const LIMITS = {
  messages: 100,
  bytes: 256_000,
  /** Approximate metadata that a Queue adds per message. */
  overheadBytes: 100,
};

/** Sends deliveries to the Queue that `src/queues/deliveries.ts` consumes. */
export function createDeliveryQueue(queue: Queue<Delivery>): DeliveryQueue {
  return {
    async send(deliveries) {
      for (const batch of splitIntoBatches(deliveries, LIMITS)) await queue.sendBatch(batch.map((body) => ({ body })));
    },
  };
}
