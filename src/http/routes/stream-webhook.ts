import { Hono } from "hono";
import { readBounded } from "../../platform/read-bounded.ts";
import { isSignedByStream } from "../../adapters/stream/verify-signature.ts";
import { parseVideo } from "../../core/stream/rules/parse-video.ts";
import { problem } from "../../core/shared/problem.ts";
import { type Result, ok, err } from "../../core/shared/result.ts";
import {
  type StreamSignature,
  isWithinTolerance,
  parseStreamSignature,
} from "../../core/stream/rules/webhook-signature.ts";
import { TENANT_ID } from "../../core/shared/tenant.ts";
import type { AppEnv } from "../app-env.ts";
import type { Registry } from "../../core/ports/registry.ts";
import type { Upstream } from "../../core/stream/rules/upstream.ts";
import {
  type RecordAccountEventPorts,
  recordStreamNotification,
} from "../../core/stream-events/record-stream-event.ts";
import { allowOnly } from "../pipeline/method-not-allowed.ts";
import { respondProblem } from "../pipeline/problem-response.ts";
import { parseJson } from "../pipeline/json-body.ts";

/** A video is about 2 KB as Stream describes it; its `meta` may add what an operator's own systems have written there. */
const MAX_EVENT_BYTES = 256 * 1024;

export interface StreamWebhookPorts extends RecordAccountEventPorts {
  /** Seconds since the epoch. */
  readonly now: () => number;
}

/**
 * `POST /hooks/stream/:upstream`: the webhook of an upstream's account. A 5xx asks Stream to come again; whether it does
 * is not documented [assumed: not], and what it does not tell again is found by the ledgers' alarms and the reconciliation.
 *
 * @see https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/
 */
export function streamWebhookRoutes(ports: StreamWebhookPorts): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.post("/:upstream", async (c) => {
    const signature = parseStreamSignature(c.req.header("webhook-signature") ?? "");
    if (!signature || !isWithinTolerance(signature, ports.now())) return respondProblem(c, invalidSignature);
    const body = await readBounded(c.req.raw.body, MAX_EVENT_BYTES);
    if (!body) return respondProblem(c, problem("body_too_large", `An event may have ${MAX_EVENT_BYTES} bytes.`));
    const upstream = await verifySender(ports.registry, c.req.param("upstream"), signature, body);
    if (!upstream.ok) return respondProblem(c, upstream.problem);

    const video = parseVideo(parseJson(body)?.value);
    if (!video) return respondProblem(c, problem("body_invalid", "The body does not describe a video."));
    const recording = recordStreamNotification(ports, upstream.value, video, c.get("log"));
    // What has been begun is brought to its end, though Stream may not wait for it.
    c.executionCtx.waitUntil(recording);
    const recorded = await recording;
    // Whether the video is ours is none of the sender's business.
    return recorded.ok ? c.json({ received: true }) : respondProblem(c, recorded.problem);
  });

  routes.all("/:upstream", allowOnly("POST"));
  return routes;
}

/**
 * The same for an upstream that does not exist, one without a webhook, and a signature that is wrong. Not a 401, for two
 * reasons: nobody can be asked for a credential here, and these do not count as failed attempts of an address. A secret of
 * 256 bits is not guessed, and Stream's own address would be the one that is told to slow down, since a secret that was
 * rotated by hand, or events that others have Stream's network send, fail from there.
 */
const invalidSignature = problem("webhook_signature_invalid", "The event is not signed by this upstream, or too old.");

/** The upstream whose secret the event is signed with. */
async function verifySender(
  registry: Pick<Registry, "upstream">,
  id: string,
  signature: StreamSignature,
  body: Uint8Array,
): Promise<Result<Upstream>> {
  const upstream = TENANT_ID.test(id) ? await registry.upstream(id) : ok(undefined);
  if (!upstream.ok) return upstream;
  const signed = await isSignedByStream(upstream.value?.webhookSecrets ?? [], signature, body);
  return upstream.value && signed ? ok(upstream.value) : err(invalidSignature);
}
