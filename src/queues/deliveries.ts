import * as v from "valibot";
import { MAX_ATTEMPTS, retryDelaySeconds } from "../core/webhooks/rules/retry-policy.ts";
import { errorMessage } from "../core/shared/text.ts";
import { UPLOAD_EVENT_TYPES } from "../core/webhooks/rules/upload-event.ts";
import { type DeliverEventPorts, type DeliveryResult, deliverEvent } from "../core/webhooks/deliver-event.ts";
import type { Delivery } from "../core/webhooks/rules/delivery.ts";

/** Pause before an exhausted delivery is recorded, if that failed or is left to the next delivery of the message. */
const DEAD_RETRY_SECONDS = 60;

/**
 * How long a batch waits for its deliveries, divided by one more than those of the isolate that no batch waits for. This is all
 * that endpoints can hold up others: behind 300 deliveries to endpoints that answer late, a neighbour's event comes as soon as
 * behind 300 to endpoints that answer at once, also where one batch is consumed at a time (without the division: 12 seconds later).
 */
const HOLD_SECONDS = 0.25;

/** Deliveries of this isolate that were acknowledged before they were over. */
let unfinished = 0;

/** The fields that route a message. The event's body is not checked further: an older version may have written it. */
const deliverySchema = v.object({
  tenant: v.string(),
  endpoint: v.string(),
  event: v.object({ id: v.string(), body: v.looseObject({ type: v.picklist(UPLOAD_EVENT_TYPES) }) }),
  attempt: v.optional(v.number(), 1),
});

/**
 * Delivers the messages in parallel. Acknowledges or retries each by itself. A first attempt that takes long is acknowledged
 * before it is over, so that the messages behind it do not wait: if the Worker is killed meanwhile, no attempt is recorded, and
 * the ledger hands the event over again.
 *
 * @param waitUntil keeps the Worker running
 */
export async function consumeDeliveries(
  batch: MessageBatch,
  ports: DeliverEventPorts,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<void> {
  await each(batch, ports, 0, waitUntil);
}

/** Delivers the messages for slow endpoints, which wait for each other. */
export async function consumeSlowDeliveries(batch: MessageBatch, ports: DeliverEventPorts): Promise<void> {
  await each(batch, ports, 0);
}

/** Records the deliveries whose attempts are used up. */
export async function consumeDeadDeliveries(batch: MessageBatch, ports: DeliverEventPorts): Promise<void> {
  await each(batch, ports, MAX_ATTEMPTS);
}

/** @param spent attempts that are used up, besides those that message and queue count */
async function each(
  { messages }: MessageBatch,
  ports: DeliverEventPorts,
  spent: number,
  waitUntil?: (work: Promise<unknown>) => void,
): Promise<void> {
  await Promise.all(
    messages.map(async (message) => {
      const parsed = v.safeParse(deliverySchema, message.body);
      if (!parsed.success) {
        console.error(`Dropped a malformed message from the delivery queue: ${message.id}`);
        message.ack();
        return;
      }
      const number = spent + parsed.output.attempt + message.attempts - 1;
      const work = deliver(ports, parsed.output as unknown as Delivery, number, waitUntil === undefined);
      if (waitUntil && number === 1) {
        const isLong = await Promise.race([
          work.then(() => false),
          ports.wait(HOLD_SECONDS / (1 + unfinished)).then(() => true),
        ]);
        if (isLong) {
          message.ack();
          unfinished++;
          waitUntil(work.finally(() => unfinished--));
          return;
        }
      }
      const { retry, delaySeconds = retryDelaySeconds(number, ports.random()) } = await work;
      if (retry) message.retry({ delaySeconds: delaySeconds ?? DEAD_RETRY_SECONDS });
      else message.ack();
    }),
  );
}

/** Logs the delivery. Never rejects. */
async function deliver(
  ports: DeliverEventPorts,
  delivery: Delivery,
  number: number,
  slowQueue: boolean,
): Promise<DeliveryResult> {
  const { tenant, endpoint, event } = delivery;
  const facts = { tenant, event: event.id, type: event.body.type, attempts: number, endpoint };
  try {
    const result = await deliverEvent(ports, delivery, number, slowQueue);
    const { attempt = { outcome: result.retry ? "postponed" : "moved" } } = result;
    console.log(JSON.stringify({ delivery: { ...facts, ...attempt } }));
    return result;
  } catch (error) {
    console.error(JSON.stringify({ delivery: { ...facts, error: errorMessage(error) } }));
    return { retry: true };
  }
}
