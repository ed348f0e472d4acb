import type { Webhooks } from "../../core/ports/webhooks.ts";
import type { WebhookEvent } from "../../core/webhooks/rules/delivery.ts";
import type { Endpoint } from "../../core/webhooks/rules/endpoint.ts";

/** From the start of the request to the status of the response. */
const DEADLINE_MS = 10_000;

/**
 * Sends events over HTTP, as the Standard Webhooks specification defines.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function createWebhooks(now: () => number): Webhooks {
  return {
    async send(endpoint, event) {
      try {
        const body = JSON.stringify(event.body);
        const response = await fetch(endpoint.url, {
          method: "POST",
          headers: {
            "Content-Type": "application/json",
            "User-Agent": "Sluice",
            ...(await signatureHeaders(endpoint, event, body, now())),
          },
          body,
          // A redirect is not followed: its target would not be validated.
          redirect: "manual",
          signal: AbortSignal.timeout(DEADLINE_MS),
        });
        // The status alone decides. A body may take for ever.
        await response.body?.cancel().catch(() => undefined);
        const retryAfter = response.headers.get("retry-after");
        return { status: response.status, ...(retryAfter !== null && { retryAfter }) };
      } catch (error) {
        return { reason: explain(error) };
      }
    },
  };
}

/** One signature per valid secret, so that receivers can switch to a new secret at any time. */
async function signatureHeaders(
  { secrets }: Endpoint,
  { id }: WebhookEvent,
  body: string,
  now: number,
): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(now / 1000));
  const content = new TextEncoder().encode(`${id}.${timestamp}.${body}`);
  const signatures = await Promise.all(secrets.map((secret) => sign(secret, content)));
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}

/** With the platform's HMAC: the library of the specification brings SHA-256 and base64 of its own, 5 % of the bundle. */
async function sign(secret: string, content: Uint8Array): Promise<string> {
  const bytes = Uint8Array.fromBase64(secret.replace(/^whsec_/, ""));
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return `v1,${new Uint8Array(await crypto.subtle.sign("HMAC", key, content)).toBase64()}`;
}

/** A fixed text, because the runtime's message may contain the URL. */
function explain(error: unknown): string {
  return (error as Error).name === "TimeoutError" ? `no answer within ${DEADLINE_MS / 1000} s` : "it cannot be reached";
}
