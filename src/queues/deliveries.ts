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

/** Pause before the exhausted delivery is recorded again, if that failed. */
const DEAD_RETRY_SECONDS = 60;

/** The fields that route a message. The event's body is not checked further: an older version may have written it. */
const deliverySchema = v.object({
  tenant: v.string(),
  endpoint: v.string(),
  event: v.object({ id: v.string(), body: v.looseObject({ type: v.picklist(UPLOAD_EVENT_TYPES) }) }),
});

/** Delivers the messages in parallel. Acknowledges or retries each by itself. */
export async function consumeDeliveries(batch: MessageBatch, ports: DeliverEventPorts): Promise<void> {
  await each(batch, (delivery, attempts) => deliverEvent(ports, delivery, attempts), retryDelaySeconds);
}

/** Records the deliveries whose attempts are used up. */
export async function consumeDeadDeliveries(batch: MessageBatch, ports: DeliverEventPorts): Promise<void> {
  const exhausted = (delivery: Delivery) =>
    recordUndelivered(ports, delivery, "exhausted", "it was tried often enough");
  await each(batch, exhausted, () => DEAD_RETRY_SECONDS);
}

/** @param attempts how often the queue has delivered the message, this time included */
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
        console.error(`Dropped a malformed message from the delivery queue: ${message.id}`);
        message.ack();
        return;
      }
      if (await isDone(parsed.output as unknown as Delivery, message.attempts, handle)) message.ack();
      else {
        const delay = delaySeconds(message.attempts);
        // Without a delay this was the last attempt: the queue moves the message to the dead letters.
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
