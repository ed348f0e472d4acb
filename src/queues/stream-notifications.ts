import * as v from "valibot";
import type { Telemetry } from "../core/ports/telemetry.ts";
import type { Trace } from "../core/ports/trace.ts";
import { PROBLEMS, problem } from "../core/shared/problem.ts";
import { type Result, err } from "../core/shared/result.ts";
import { errorMessage } from "../core/shared/text.ts";
import {
  type RecordStreamNotificationPorts,
  recordStreamNotification,
} from "../core/stream-events/record-stream-notification.ts";
import { parseVideo } from "../core/stream/rules/parse-video.ts";
import { type Upstream, requireUpstream } from "../core/stream/rules/upstream.ts";

export interface StreamNotificationPorts extends RecordStreamNotificationPorts {
  readonly telemetry: Telemetry;
}

/** Doubles with each attempt, since a ledger is usually available again within seconds. */
const FIRST_RETRY_SECONDS = 30;
const MAX_RETRY_SECONDS = 3_600;

/**
 * A message of Stream's event subscription. Cloudflare documents `metadata` with the account's id for the events of every
 * product; that Stream sends it as well is assumed.
 *
 * @see https://developers.cloudflare.com/queues/event-subscriptions/events-schemas/
 */
const messageSchema = v.object({
  type: v.pipe(v.string(), v.regex(/^cf\.stream\.video_state\./)),
  payload: v.unknown(),
  metadata: v.optional(v.object({ accountId: v.optional(v.string()) })),
});

const NO_VIDEO = problem("body_invalid", "The body does not describe a video.");

/**
 * Records Stream notifications from a Queue, one by one. Retries a message after a 5xx, also one that throws, which would hold
 * its batch; logs and acknowledges any other failure, e.g. a message that does not describe a video.
 */
export async function consumeStreamNotifications(batch: MessageBatch, ports: StreamNotificationPorts): Promise<void> {
  for (const message of batch.messages) {
    const log = ports.telemetry.begin(message.id, "QUEUE");
    const recorded = await recordMessage(ports, message.body, log).catch((error: unknown) =>
      err(problem("internal_error", "", { facts: { reason: errorMessage(error) } })),
    );
    if (!recorded.ok) log.setProblem(recorded.problem);
    const status = recorded.ok ? 200 : PROBLEMS[recorded.problem.code].status;
    if (status < 500) message.ack();
    else message.retry({ delaySeconds: retryDelay(message.attempts) });
    log.finish(batch.queue, status);
    ports.telemetry.record(log);
  }
}

function retryDelay(attempts: number): number {
  return Math.min(FIRST_RETRY_SECONDS * 2 ** (attempts - 1), MAX_RETRY_SECONDS);
}

async function recordMessage(ports: StreamNotificationPorts, body: unknown, trace: Trace): Promise<Result<unknown>> {
  const message = v.safeParse(messageSchema, body);
  if (!message.success) return err(NO_VIDEO);
  const upstream = await upstreamOf(ports, message.output.metadata?.accountId);
  if (!upstream.ok) return upstream;
  const video = parseVideo(message.output.payload, upstream.value);
  return video ? recordStreamNotification(ports, upstream.value, video, trace) : err(NO_VIDEO);
}

/** The first upstream of the account. For a message without an account, the only upstream there is. */
async function upstreamOf(
  { directory, registry }: StreamNotificationPorts,
  accountId: string | undefined,
): Promise<Result<Upstream>> {
  const ids = await directory.listUpstreamIds(accountId);
  if (!ids.ok) return ids;
  const [first, ...others] = ids.value;
  if (first === undefined || (accountId === undefined && others.length > 0))
    return err(problem("body_invalid", "The message has no account id, or one that is not an upstream's."));
  return requireUpstream(await registry.upstream(first, "trusted"));
}
