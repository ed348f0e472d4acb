import { Routes } from "../routes.ts";
import {
  type ReceiveStreamWebhookPorts,
  receiveStreamWebhook,
} from "../../core/stream-events/receive-stream-webhook.ts";
import { handle } from "../pipeline/handle.ts";
import { readBody } from "../pipeline/request-body.ts";
import { resource } from "../pipeline/resource.ts";

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
      readBody: () => readBody(c.req.raw),
    };
    const receipt = receiveStreamWebhook(ports, request, c.get("log"));
    // Finishes also if Stream closes the connection.
    c.executionCtx.waitUntil(receipt);
    const received = await receipt;
    // The response does not reveal whether the video belongs to a tenant.
    return received.ok ? c.json({ received: true }) : received;
  });
  resource(routes, "/:upstream", { POST: receive });
  return routes;
}
