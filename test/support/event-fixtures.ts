import type { WebhookEvent } from "../../src/core/webhooks/rules/delivery.ts";

/** An event as a ledger keeps it. */
export function webhookEvent(id = "event-1"): WebhookEvent {
  return {
    id,
    body: {
      type: "upload.ready",
      version: 1,
      timestamp: "2026-11-22T12:00:00.000Z",
      data: {
        tenant: "acme",
        sequence: 4,
        upload: {
          id: "upload-1",
          state: "ready",
          uid: "0123456789abcdef0123456789abcdef",
          creator: "zoë",
          bytes: 1_000,
          seconds: 2.5,
          createdAt: "2026-11-22T11:00:00.000Z",
          expiresAt: "2026-11-22T11:30:00.000Z",
        },
      },
    },
  };
}
