import * as v from "valibot";
import { retryDelaySeconds } from "../core/webhooks/rules/retry-policy.ts";
import { errorMessage } from "../core/shared/text.ts";
import { UPLOAD_EVENT_TYPES } from "../core/webhooks/rules/upload-event.ts";
import {
  type DeliverEventPorts,
  type DeliveryResult,
  deliverEvent,
  recordUndelivered,
} from "../core/webhooks/deliver-event.ts";
import type { Delivery } from "../core/webhooks/rules/delivery.ts";

/** Before a delivery that could not be given up is given up again. */
const DEAD_RETRY_SECONDS = 60;

/** What says where a message goes. The event's body stays as the version that made it wrote it. */
const deliverySchema = v.object({
  tenant: v.string(),
  endpoint: v.string(),
  event: v.object({ id: v.string(), body: v.looseObject({ type: v.picklist(UPLOAD_EVENT_TYPES) }) }),
});

/** Messages are delivered side by side, and each is acknowledged or repeated by itself. */
export async function consumeDeliveries(batch: MessageBatch, ports: DeliverEventPorts): Promise<void> {
  await each(batch, (delivery, attempts) => deliverEvent(ports, delivery, attempts), retryDelaySeconds);
}

/** Deliveries that have been repeated often enough. */
export async function consumeDeadDeliveries(batch: MessageBatch, ports: DeliverEventPorts): Promise<void> {
  const exhausted = (delivery: Delivery) =>
    recordUndelivered(ports, delivery, "exhausted", "it was tried often enough");
  await each(batch, exhausted, () => DEAD_RETRY_SECONDS);
}

/** @param attempts how often the message has come */
type Handler = (delivery: Delivery, attempts: number) => Promise<DeliveryResult>;

async function each(
  { messages }: MessageBatch,
  handle: Handler,
  delaySeconds: (attempts: number) => number | undefined,
): Promise<void> {
  await Promise.all(
    messages.map(async (message) => {
      const parsed = v.safeParse(deliverySchema, message.body);
      if (!parsed.success) {
        console.error(`A malformed message was dropped from the queue of deliveries: ${message.id}`);
        message.ack();
        return;
      }
      if (await isDone(parsed.output as unknown as Delivery, message.attempts, handle)) message.ack();
      else {
        const delay = delaySeconds(message.attempts);
        // Without a delay it is the last time, and the message goes to the dead letters.
        message.retry(delay === undefined ? {} : { delaySeconds: delay });
      }
    }),
  );
}

async function isDone(delivery: Delivery, attempts: number, handle: Handler): Promise<boolean> {
  const { tenant, event } = delivery;
  const facts = { tenant, event: event.id, type: event.body.type, attempts };
  try {
    const { retry, attempt = { endpoint: delivery.endpoint, outcome: "postponed" } } = await handle(delivery, attempts);
    console.log(JSON.stringify({ delivery: { ...facts, ...attempt } }));
    return !retry;
  } catch (error) {
    console.error(JSON.stringify({ delivery: { ...facts, endpoint: delivery.endpoint, error: errorMessage(error) } }));
    return false;
  }
}
