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

/** Sends deliveries to the Queues that `src/queues/deliveries.ts` consumes. */
export function createDeliveryQueue(fast: Queue<Delivery>, slow: Queue<Delivery>): DeliveryQueue {
  return {
    async send(deliveries) {
      for (const queue of [fast, slow]) {
        const messages = deliveries.filter((delivery) => delivery.slow === (queue === slow));
        for (const batch of splitIntoBatches(messages, LIMITS))
          await queue.sendBatch(batch.map(({ delivery: body, delaySeconds = 0 }) => ({ body, delaySeconds })));
      }
    },
  };
}
