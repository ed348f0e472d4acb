import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import worker from "../../../src/index.ts";
import { DEAD_DELIVERIES, DELIVERIES, STREAM_NOTIFICATIONS } from "../../../src/queues/names.ts";

/** A Worker that has been deployed with a secret that is mistyped. */

const mistyped = { ...env, GRANT_KEYS: "g1:not-base64" };

it.each([DELIVERIES, DEAD_DELIVERIES, STREAM_NOTIFICATIONS])(
  "leaves what is in %s for later, so that the retries last until the secret is put right",
  async (queue) => {
    const batch = createMessageBatch(queue, [{ id: "m1", timestamp: new Date(), attempts: 1, body: {} }]);
    const retryAll = vi.spyOn(batch, "retryAll");
    await worker.queue(batch, mistyped);
    expect(retryAll).toHaveBeenCalledWith({ delaySeconds: 3_600 });
    expect(await getQueueResult(batch, createExecutionContext())).toMatchObject({
      retryBatch: { retry: true },
      explicitAcks: [],
    });
  },
);

describe("an answer of its", () => {
  const ask = async (method: string) => {
    const request = new Request<unknown, IncomingRequestCfProperties>("https://sluice.example/v1/acme/uploads", {
      method,
    });
    return worker.fetch(request, mistyped, createExecutionContext());
  };

  it("can be read by any page, and says nothing of what is wrong", async () => {
    const answer = await ask("POST");
    expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([500, "*"]);
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({ code: "misconfigured", success: false });
    expect(text).not.toContain("GRANT_KEYS");
  });

  it("to a preflight lets the page ask, or it would see no more than a network failure", async () => {
    const answer = await ask("OPTIONS");
    expect([answer.status, await answer.text()]).toEqual([204, ""]);
    expect(Object.fromEntries(answer.headers)).toEqual({
      "access-control-allow-origin": "*",
      "access-control-allow-methods": expect.stringContaining("POST"),
      "access-control-allow-headers": expect.stringMatching(/Authorization.*Tus-Resumable.*Upload-Metadata/),
    });
  });
});
