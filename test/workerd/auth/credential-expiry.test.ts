import { describe, expect, it } from "vitest";
import { codeOf, request, seedTenant } from "../support/worker.ts";

/** Keys expire at a whole second: it is one to two seconds away. */
const LIFETIME_MS = 2_000;

describe("POST /v1/:tenant/direct-uploads", () => {
  it("refuses a credential that expires while the body arrives", async () => {
    const key = await seedTenant(
      "acme",
      {},
      { name: "short", expiresAt: new Date(Date.now() + LIFETIME_MS).toISOString() },
    );
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        await scheduler.wait(LIFETIME_MS + 100);
        controller.enqueue(new TextEncoder().encode("{}"));
        controller.close();
      },
    });
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const answer = await request("POST", "/v1/acme/direct-uploads", { headers, body });
    expect(answer.status).toBe(401);
    expect(await codeOf(answer)).toBe("credential_expired");
  });
});
