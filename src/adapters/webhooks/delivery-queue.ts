import { batches } from "../../core/webhooks/rules/batch-messages.ts";
import type { DeliveryQueue } from "../../core/ports/webhooks.ts";
import type { Delivery } from "../../core/webhooks/rules/delivery.ts";

/** Of one `sendBatch`. https://developers.cloudflare.com/queues/platform/limits/ */
const LIMITS = {
  messages: 100,
  bytes: 256_000,
  /** What a Queue adds to each message, about. */
  overheadBytes: 100,
};

/** The Queue whose consumer delivers. */
export function createDeliveryQueue(queue: Queue<Delivery>): DeliveryQueue {
  return {
    async send(deliveries) {
      for (const batch of batches(deliveries, LIMITS)) await queue.sendBatch(batch.map((body) => ({ body })));
    },
  };
}
