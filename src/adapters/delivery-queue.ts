import type { Delivery, DeliveryQueue } from "../usecases/ports.ts";

/** Of one `sendBatch`. https://developers.cloudflare.com/queues/platform/limits/ */
const MAX_MESSAGES = 100;
const MAX_BYTES = 256_000;
/** What a Queue adds to each message, about. */
const MESSAGE_OVERHEAD_BYTES = 100;

/** The Queue whose consumer delivers. */
export function createDeliveryQueue(queue: Queue<Delivery>): DeliveryQueue {
  return {
    async send(deliveries) {
      for (const batch of batches(deliveries)) await queue.sendBatch(batch.map((body) => ({ body })));
    },
  };
}

/** In order, as few as the limits allow. */
export function batches(deliveries: readonly Delivery[]): Delivery[][] {
  const encoder = new TextEncoder();
  const all: Delivery[][] = [];
  let current: Delivery[] = [];
  let bytes = 0;
  for (const delivery of deliveries) {
    const size = encoder.encode(JSON.stringify(delivery)).byteLength + MESSAGE_OVERHEAD_BYTES;
    if (current.length === 0 || current.length === MAX_MESSAGES || bytes + size > MAX_BYTES) {
      current = [];
      bytes = 0;
      all.push(current);
    }
    current.push(delivery);
    bytes += size;
  }
  return all;
}
