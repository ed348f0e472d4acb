import { Response as OutboundResponse } from "miniflare";
import type { GatewayTemplate } from "./gateway-template.ts";
import { answerOf } from "./provider-tokens.ts";

/** What a host of a provider does for a test, by URL, instead of answering as it usually does. */
export type Faults = Map<string, () => OutboundResponse>;

/** All requests of the Worker go through here: the providers' hosts are answered, and only loopback is let through. */
export function withProviderHosts(template: GatewayTemplate, faults: Faults = new Map()): GatewayTemplate {
  const outboundService = async (request: Request) => {
    const fault = faults.get(request.url);
    if (fault) return fault();
    const body = await answerOf(request.url);
    if (body) return OutboundResponse.json(body);
    if (new URL(request.url).hostname !== "127.0.0.1") return new OutboundResponse(null, { status: 404 });
    return fetch(request.url, {
      method: request.method,
      headers: request.headers,
      redirect: "manual",
      ...(request.body && { body: await request.arrayBuffer() }),
    });
  };
  return { ...template, workerOptions: { ...template.workerOptions, outboundService: outboundService as never } };
}
