import { Webhook } from "standardwebhooks";
import type { Webhooks } from "../../core/ports/webhooks.ts";
import type { Endpoint, KeptEvent } from "../../core/webhooks/rules/delivery.ts";
import { readBounded } from "../../platform/read-bounded.ts";

/** From the first byte sent to the last one read. */
const DEADLINE_MS = 10_000;

/** An answer says nothing beyond its status; so much of it is read, for the sake of the connection. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Delivers by HTTP, as the Standard Webhooks specification has it.
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
            ...signatureHeaders(endpoint, event, body, now()),
          },
          body,
          // To whatever it redirects to, nobody has looked at.
          redirect: "manual",
          signal: AbortSignal.timeout(DEADLINE_MS),
        });
        await discard(response);
        return { status: response.status };
      } catch (error) {
        return { reason: explain(error) };
      }
    },
  };
}

/** One signature per secret, so that receivers may replace theirs at any time while two are valid. */
function signatureHeaders({ secrets }: Endpoint, { id }: KeptEvent, body: string, now: number): Record<string, string> {
  const timestamp = new Date(now);
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(now / 1000)),
    "webhook-signature": secrets.map((secret) => new Webhook(secret).sign(id, timestamp, body)).join(" "),
  };
}

/** The status has been said: whatever becomes of the rest changes nothing. */
async function discard({ body }: Response): Promise<void> {
  await readBounded(body, MAX_ANSWER_BYTES).catch(() => undefined);
}

/** In the gateway's own words: the runtime's may quote the URL. */
function explain(error: unknown): string {
  const timedOut = error instanceof DOMException && error.name === "TimeoutError";
  return timedOut ? `no answer within ${DEADLINE_MS / 1000} s` : "it cannot be reached";
}
