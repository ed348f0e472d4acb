import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import worker from "../../../src/index.ts";
import { DEAD_DELIVERIES, DELIVERIES, SLOW_DELIVERIES, STREAM_NOTIFICATIONS } from "../../../src/queues/names.ts";

/** Settings with an invalid secret. */
const invalid = { ...env, GRANT_KEYS: "g1:not-base64" };

describe("queue of a misconfigured Worker", () => {
  it.each([DELIVERIES, SLOW_DELIVERIES, DEAD_DELIVERIES, STREAM_NOTIFICATIONS])(
    "retries the messages of %s each hour, so that the operator can correct the secret",
    async (queue) => {
      const batch = createMessageBatch(queue, [{ id: "m1", timestamp: new Date(), attempts: 1, body: {} }]);
      const retryAll = vi.spyOn(batch, "retryAll");
      await worker.queue(batch, invalid, createExecutionContext());
      expect(retryAll).toHaveBeenCalledWith({ delaySeconds: 3_600 });
      expect(await getQueueResult(batch, createExecutionContext())).toMatchObject({
        retryBatch: { retry: true },
        explicitAcks: [],
      });
    },
  );
});

describe("fetch of a misconfigured Worker", () => {
  const ask = async (method: string) => {
    const request = new Request<unknown, IncomingRequestCfProperties>("https://sluice.example/v1/acme/uploads", {
      method,
    });
    return worker.fetch(request, invalid, createExecutionContext());
  };

  it("returns a problem that any page can read and that does not name the setting", async () => {
    const answer = await ask("POST");
    expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([500, "*"]);
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({ code: "misconfigured", success: false });
    expect(text).not.toContain("GRANT_KEYS");
  });

  it("answers preflights, so that pages can read the problem", async () => {
    const answer = await ask("OPTIONS");
    expect([answer.status, await answer.text()]).toEqual([204, ""]);
    expect(Object.fromEntries(answer.headers)).toEqual({
      "access-control-allow-origin": "*",
      "access-control-allow-methods": expect.stringContaining("POST"),
      "access-control-allow-headers": expect.stringMatching(/Authorization.*Tus-Resumable.*Upload-Metadata/),
    });
  });
});
