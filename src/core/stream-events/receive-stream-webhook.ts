import type { StreamSignatures } from "../ports/stream-signatures.ts";
import type { Trace } from "../ports/trace.ts";
import { parseJson } from "../shared/json.ts";
import { problem } from "../shared/problem.ts";
import { type Result, err, ok } from "../shared/result.ts";
import { TENANT_ID } from "../shared/tenant.ts";
import { parseVideo } from "../stream/rules/parse-video.ts";
import { isWithinTolerance, parseStreamSignature } from "../stream/rules/webhook-signature.ts";
import { type RecordStreamNotificationPorts, recordStreamNotification } from "./record-stream-notification.ts";

export interface ReceiveStreamWebhookPorts extends RecordStreamNotificationPorts {
  readonly signatures: StreamSignatures;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

export interface StreamWebhookRequest {
  /** Id of the upstream in the path. */
  readonly upstream: string;
  /** The header `Webhook-Signature`; "" if absent. */
  readonly signature: string;
  /** Reads the body up to the size that is accepted. */
  readonly readBody: () => Promise<Result<Uint8Array>>;
}

/**
 * The same for an unknown upstream, one without a webhook, and a wrong signature. It is a 403 and not a 401: no credential
 * can be requested here, and a 401 would count as a failed attempt of the sender's address. A secret of 256 bits cannot be
 * guessed, and the limit would hit Stream's own address: it sends wrong signatures after a manual rotation of a secret, and for
 * webhooks of other accounts that point here.
 */
const INVALID_SIGNATURE = problem(
  "webhook_signature_invalid",
  "Webhook-Signature is missing, too old or not made with a webhook secret of this upstream.",
);

/**
 * Records the notification in a request to an upstream's webhook. The body is read only if the signature may be valid: it has the
 * form and is timely, and the upstream has a secret.
 */
export async function receiveStreamWebhook(
  ports: ReceiveStreamWebhookPorts,
  request: StreamWebhookRequest,
  trace: Trace,
): Promise<Result<unknown>> {
  const signature = parseStreamSignature(request.signature);
  if (!signature || !isWithinTolerance(signature, ports.now())) return err(INVALID_SIGNATURE);
  const upstream = TENANT_ID.test(request.upstream) ? await ports.registry.upstream(request.upstream) : ok(undefined);
  if (!upstream.ok) return upstream;
  const sender = upstream.value;
  if (!sender?.webhookSecrets.length) return err(INVALID_SIGNATURE);
  const body = await request.readBody();
  if (!body.ok) return body;
  if (!(await ports.signatures.isSigned(sender.webhookSecrets, signature, body.value))) return err(INVALID_SIGNATURE);

  const video = parseVideo(parseJson(body.value)?.value, sender);
  if (!video) return err(problem("body_invalid", "The body does not describe a video."));
  return recordStreamNotification(ports, sender, video, trace);
}
