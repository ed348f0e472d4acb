import * as v from "valibot";
import { parseVideo } from "../core/stream/rules/parse-video.ts";
import type { Telemetry } from "../core/ports/telemetry.ts";
import { PROBLEMS, problem } from "../core/shared/problem.ts";
import { type Result, err } from "../core/shared/result.ts";
import type { Trace } from "../core/ports/trace.ts";
import { type Upstream, requireUpstream } from "../core/stream/rules/upstream.ts";
import { type RecordAccountEventPorts, recordStreamNotification } from "../core/stream-events/record-stream-event.ts";

export interface StreamEventPorts extends RecordAccountEventPorts {
  readonly telemetry: Telemetry;
}

/** A ledger is back in a moment; so this grows from half a minute to what is left of an hour. */
const FIRST_RETRY_SECONDS = 30;
const MAX_RETRY_SECONDS = 3_600;

/**
 * A message of Stream's event subscription. Cloudflare documents `metadata` with the account's id for events of every
 * product; that Stream's have it as well is assumed.
 *
 * @see https://developers.cloudflare.com/queues/event-subscriptions/events-schemas/
 */
const messageSchema = v.object({
  type: v.pipe(v.string(), v.startsWith("cf.stream.video_state.")),
  payload: v.unknown(),
  metadata: v.optional(v.object({ accountId: v.optional(v.string()) })),
});

/**
 * Takes in Stream's events from a Queue, each message by itself. One that cannot be recorded now comes again; one that is
 * no event of a video would never be, and is only logged.
 */
export async function consumeStreamEvents(batch: MessageBatch, ports: StreamEventPorts): Promise<void> {
  for (const message of batch.messages) {
    const event = ports.telemetry.begin(message.id, "QUEUE");
    const recorded = await recordMessage(ports, message.body, event);
    if (!recorded.ok) event.setProblem(recorded.problem);
    const status = recorded.ok ? 200 : PROBLEMS[recorded.problem.code].status;
    if (status < 500) message.ack();
    else message.retry({ delaySeconds: retryDelay(message.attempts) });
    event.finish(batch.queue, status);
    ports.telemetry.record(event);
  }
}

function retryDelay(attempts: number): number {
  return Math.min(FIRST_RETRY_SECONDS * 2 ** (attempts - 1), MAX_RETRY_SECONDS);
}

async function recordMessage(ports: StreamEventPorts, body: unknown, trace: Trace): Promise<Result<unknown>> {
  const message = v.safeParse(messageSchema, body);
  const video = message.success ? parseVideo(message.output.payload) : undefined;
  if (!message.success || !video)
    return err(problem("body_invalid", "The message does not describe the state of a video."));
  const upstream = await upstreamOf(ports, message.output.metadata?.accountId);
  return upstream.ok ? recordStreamNotification(ports, upstream.value, video, trace) : upstream;
}

/** An upstream of the account; where the message does not tell the account, the only one that there is. */
async function upstreamOf(
  { directory, registry }: StreamEventPorts,
  accountId: string | undefined,
): Promise<Result<Upstream>> {
  const ids = await directory.listUpstreamIds(accountId);
  if (!ids.ok) return ids;
  const [first, ...others] = ids.value;
  if (first === undefined || (accountId === undefined && others.length > 0))
    return err(problem("body_invalid", "The message does not tell whose account it is from, or a foreign one."));
  return requireUpstream(await registry.upstream(first, "trusted"));
}
