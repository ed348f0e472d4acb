import * as v from "valibot";
import { RequestEvent } from "../adapters/request-event.ts";
import { parseVideo } from "../adapters/stream-video.ts";
import type { Telemetry } from "../adapters/telemetry.ts";
import { PROBLEMS, problem } from "../domain/problem.ts";
import { type Result, accept, refuse } from "../domain/result.ts";
import type { Trace } from "../usecases/ports.ts";
import type { Directory, Registry, Upstream } from "../usecases/registry-port.ts";
import type { StreamVideo } from "../usecases/stream-port.ts";
import { type RecordStreamEventPorts, recordStreamEvent } from "../usecases/record-stream-event.ts";

export interface StreamEventPorts extends RecordStreamEventPorts {
  readonly registry: Pick<Registry, "tenant" | "upstream">;
  readonly directory: Pick<Directory, "tenantsOn" | "upstreams">;
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
    const event = new RequestEvent(message.id, "QUEUE");
    const recorded = await recordMessage(ports, message.body, event);
    if (!recorded.ok) event.refused(recorded.problem);
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

async function recordMessage(ports: StreamEventPorts, body: unknown, trace: Trace): Promise<Result<void>> {
  const message = v.safeParse(messageSchema, body);
  const video = message.success ? parseVideo(message.output.payload) : undefined;
  if (!message.success || !video)
    return refuse(problem("body_invalid", "The message does not describe the state of a video."));
  const upstreams = await upstreamsOf(ports, message.output.metadata?.accountId);
  return upstreams.ok ? recordAtOneOf(ports, upstreams.value, video, trace) : upstreams;
}

/** One account may be several upstreams, each with a token of its own; the video is of one of them at most. */
async function recordAtOneOf(
  ports: StreamEventPorts,
  upstreams: readonly Upstream[],
  video: StreamVideo,
  trace: Trace,
): Promise<Result<void>> {
  for (const upstream of upstreams) {
    const recorded = await recordStreamEvent(ports, upstream, video, trace);
    if (!recorded.ok) return recorded;
    if (recorded.value === "recorded") break;
  }
  return accept(undefined);
}

/** The upstreams of an account; where the message does not tell the account, the only one that there is. */
async function upstreamsOf(
  { directory, registry }: StreamEventPorts,
  accountId: string | undefined,
): Promise<Result<readonly Upstream[]>> {
  const ids = await directory.upstreams(accountId);
  if (!ids.ok) return ids;
  const [first, ...others] = ids.value;
  if (first === undefined || (accountId === undefined && others.length > 0))
    return refuse(problem("body_invalid", "The message does not tell whose account it is from, or a foreign one."));
  const upstreams: Upstream[] = [];
  for (const id of ids.value) {
    const upstream = await registry.upstream(id);
    if (!upstream.ok) return upstream;
    if (upstream.value) upstreams.push(upstream.value);
  }
  return accept(upstreams);
}
