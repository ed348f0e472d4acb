import { Routes } from "../routes.ts";
import { problem } from "../../core/shared/problem.ts";
import { err, ok } from "../../core/shared/result.ts";
import {
  type ReceiveStreamWebhookPorts,
  receiveStreamWebhook,
} from "../../core/stream-events/receive-stream-webhook.ts";
import { readBounded } from "../../platform/read-bounded.ts";
import { handle } from "../pipeline/handle.ts";
import { resource } from "../pipeline/resource.ts";

/** Stream's description of a video is about 2 KB; its `meta` may hold more, written by the operator's own systems. */
const MAX_BODY_BYTES = 256 * 1024;

/**
 * `POST /hooks/stream/:upstream`: the webhook of an upstream's account. A 5xx asks Stream to send the notification again;
 * whether it does is undocumented (assumed: no). The ledgers' alarms and the reconciliation find what was not delivered.
 *
 * @see https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/
 */
export function streamWebhookRoutes(ports: ReceiveStreamWebhookPorts): Routes {
  const routes = new Routes();
  const receive = handle({}, async (c) => {
    const request = {
      upstream: c.req.param("upstream") ?? "",
      signature: c.req.header("webhook-signature") ?? "",
      readBody: async () => {
        const body = await readBounded(c.req.raw.body, MAX_BODY_BYTES, "leave");
        return body ? ok(body) : err(problem("body_too_large", `The body must be at most ${MAX_BODY_BYTES} bytes.`));
      },
    };
    const receipt = receiveStreamWebhook(ports, request, c.get("log"));
    // Finishes also if Stream closes the connection. A body that breaks off is handled below.
    c.executionCtx.waitUntil(receipt.catch(() => undefined));
    const received = await receipt;
    // The response does not reveal whether the video belongs to a tenant.
    return received.ok ? c.json({ received: true }) : received;
  });
  resource(routes, "/:upstream", { POST: receive });
  return routes;
}
