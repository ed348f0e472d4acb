import { createExecutionContext, createMessageBatch } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { describe, expect, it, vi } from "vitest";
import { createDeliveryQueue } from "../../../src/adapters/webhooks/delivery-queue.ts";
import { createLedgers } from "../../../src/adapters/durable-objects/ledger-client.ts";
import { RETRY_DELAYS_SECONDS } from "../../../src/core/webhooks/rules/retry-policy.ts";
import { problem } from "../../../src/core/shared/problem.ts";
import { err } from "../../../src/core/shared/result.ts";
import worker from "../../../src/index.ts";
import { consumeDeadDeliveries } from "../../../src/queues/deliveries.ts";
import { asOperator, codeOf } from "../support/worker.ts";
import {
  DELIVERY,
  ENDPOINT,
  SECOND,
  SECRET,
  consume,
  context,
  storedEndpoint,
  stubEndpoint,
  useDeliveries,
} from "./delivery-fixture.ts";

useDeliveries();

describe("the consumer of deliveries", () => {
  it("sends a request signed with all valid secrets (Standard Webhooks) and only the required headers", async () => {
    await context.store.endpoints.rotateSecret("acme", "main", SECOND);
    stubEndpoint(() => new Response("thank you", { status: 202 }));
    expect(await consume([DELIVERY])).toMatchObject({ acked: ["m0"], retried: [] });

    const [request] = context.requests;
    const headers = Object.fromEntries(request?.headers ?? []);
    const body = (await request?.text()) ?? "";
    expect(request?.method).toBe("POST");
    expect(request?.redirect).toBe("manual");
    expect(Object.keys(headers).toSorted()).toEqual([
      "content-type",
      "user-agent",
      "webhook-id",
      "webhook-signature",
      "webhook-timestamp",
    ]);
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": "Sluice",
      "webhook-id": "event-1",
    });
    expect(headers["webhook-signature"]?.split(" ")).toHaveLength(2);
    for (const secret of [SECRET, SECOND])
      expect(new Webhook(secret).verify(body, headers)).toEqual(DELIVERY.event.body);
    expect(() => new Webhook(`whsec_${"C".repeat(43)}=`).verify(body, headers)).toThrow("No matching signature");
    expect(context.attempts).toEqual([
      ["acme", "event-1", { endpoint: "main", at: context.time, outcome: "delivered", status: 202, milliseconds: 0 }],
    ]);
  });

  it.each([301, 400, 404, 429, 500, 503])(
    "records a failed attempt and retries when the endpoint returns %i",
    async (status) => {
      stubEndpoint(() => new Response(null, { status }));
      expect(await consume([DELIVERY])).toMatchObject({
        acked: [],
        retried: ["m0"],
        delays: [RETRY_DELAYS_SECONDS[0]],
      });
      expect(context.attempts).toMatchObject([["acme", "event-1", { outcome: "failed", status }]]);
      expect((await storedEndpoint()).failingSince).toBe(new Date(context.time).toISOString());
    },
  );

  it("retries with increasing delays, then leaves the message to the dead letter queue", async () => {
    stubEndpoint(() => new Response(null, { status: 500 }));
    for (const [index, delay] of RETRY_DELAYS_SECONDS.entries())
      expect(await consume([DELIVERY], index + 1)).toMatchObject({ retried: ["m0"], delays: [delay] });
    const last = await consume([DELIVERY], RETRY_DELAYS_SECONDS.length + 1);
    expect(last).toMatchObject({ retried: ["m0"], delays: [60] });
  });

  it("retries when there is no response, and records a reason without the URL", async () => {
    stubEndpoint(() => Promise.reject(new Error("connect to https://hooks.acme.com/ failed")));
    expect((await consume([DELIVERY])).retried).toHaveLength(1);
    expect(context.attempts[0]?.[2]).toMatchObject({ outcome: "failed", reason: "it cannot be reached" });
    stubEndpoint(() => Promise.reject(new DOMException("too late", "TimeoutError")));
    await consume([DELIVERY]);
    expect(context.attempts[1]?.[2]).toMatchObject({ outcome: "failed", reason: "no answer within 10 s" });
  });

  it("takes the status as the result when the body never comes, never ends or breaks off, and cancels it", async () => {
    const cancelled: number[] = [];
    for (const pull of [
      () => new Promise<void>(() => {}),
      (controller: ReadableStreamDefaultController) => controller.enqueue(new Uint8Array(16 * 1024)),
      (controller: ReadableStreamDefaultController) => controller.error(new Error("reset")),
    ]) {
      const cancel = vi.fn<() => void>();
      stubEndpoint(() => new Response(new ReadableStream({ pull, cancel })));
      expect((await consume([DELIVERY])).acked).toEqual(["m0"]);
      cancelled.push(cancel.mock.calls.length);
    }
    expect(context.attempts.map(([, , { outcome }]) => outcome)).toEqual(["delivered", "delivered", "delivered"]);
    expect(cancelled).toEqual([1, 1, 0]);
  });

  it.each([
    ["the endpoint was deleted", () => context.store.endpoints.delete("acme", "main")],
    [
      "the endpoint is disabled",
      () => context.store.endpoints.put("acme", "main", { ...ENDPOINT, disabled: true }, ""),
    ],
  ])("skips the delivery when %s", async (reason, change) => {
    stubEndpoint(() => new Response());
    // Deliveries do not use the cache.
    await context.ports.registry.uncached.endpoints("acme");
    await change();
    expect((await consume([DELIVERY])).acked).toEqual(["m0"]);
    expect(context.requests).toEqual([]);
    expect(context.attempts).toMatchObject([["acme", "event-1", { endpoint: "main", outcome: "skipped", reason }]]);
  });

  it.each(["https://10.0.0.1/", "http://localhost:8080/", "https://db.internal/"])(
    "does not send to the stored URL %s",
    async (url) => {
      await context.store.endpoints.put("acme", "main", { ...ENDPOINT, url }, SECRET);
      stubEndpoint(() => new Response());
      expect((await consume([DELIVERY])).retried).toHaveLength(1);
      expect(context.requests).toEqual([]);
      expect(context.attempts).toMatchObject([
        ["acme", "event-1", { outcome: "failed", reason: "the URL is not allowed" }],
      ]);
    },
  );

  it("does not send when the secrets cannot be read", async () => {
    await env.DB.exec("UPDATE endpoints SET sealed_secrets = 'v1.lost.AAAA'");
    stubEndpoint(() => new Response());
    expect((await consume([DELIVERY])).retried).toHaveLength(1);
    expect(context.requests).toEqual([]);
  });

  it("retries without recording a failure when the registry cannot be read", async () => {
    const uncached = {
      ...context.ports.registry.uncached,
      endpoints: async () => err(problem("registry_unavailable", "Later.")),
    };
    context.ports = { ...context.ports, registry: { uncached } };
    expect((await consume([DELIVERY])).retried).toHaveLength(1);
    expect(context.attempts).toEqual([]);
    expect(await storedEndpoint()).not.toHaveProperty("failingSince");
  });

  it("delivers to other endpoints when one fails", async () => {
    await context.store.endpoints.put("acme", "other", { ...ENDPOINT, url: "https://other.acme.com/" }, SECOND);
    vi.stubGlobal("fetch", async (url: string) => {
      if (url.includes("hooks")) throw new Error("reset");
      return new Response();
    });
    expect(await consume([DELIVERY, { ...DELIVERY, endpoint: "other" }, "junk"])).toMatchObject({
      acked: ["m1", "m2"],
      retried: ["m0"],
      delays: [5],
    });
  });

  it.each([null, "text", {}, { ...DELIVERY, event: {} }, { ...DELIVERY, tenant: 1 }])(
    "drops the malformed message %j and delivers the others",
    async (body) => {
      stubEndpoint(() => new Response());
      expect(await consume([body, DELIVERY])).toMatchObject({ acked: ["m0", "m1"], retried: [] });
      expect(context.requests).toHaveLength(1);
    },
  );

  it("retries when the attempt cannot be recorded, unless it was delivered", async () => {
    // A ledger that cannot be reached.
    const broken = { getByName: () => ({ recordAttempt: () => Promise.reject(new Error("The ledger is moving.")) }) };
    context.ports = { ...context.ports, ledgers: createLedgers(broken as unknown as Env["LEDGER"]) };
    const dead = await consume([DELIVERY], 1, consumeDeadDeliveries);
    expect(dead).toMatchObject({ acked: [], retried: ["m0"], delays: [60] });
    stubEndpoint(() => new Response(null, { status: 410 }));
    expect((await consume([DELIVERY])).retried).toEqual(["m0"]);
    await context.store.endpoints.put("acme", "main", ENDPOINT, SECRET);
    stubEndpoint(() => new Response());
    expect(await consume([DELIVERY])).toMatchObject({ acked: ["m0"], retried: [] });
  });
});

describe("consumeDeadDeliveries", () => {
  it("records a dead letter as exhausted without sending it", async () => {
    stubEndpoint(() => new Response());
    expect((await consume([DELIVERY], 1, consumeDeadDeliveries)).acked).toEqual(["m0"]);
    expect(context.requests).toEqual([]);
    expect(context.attempts).toEqual([
      [
        "acme",
        "event-1",
        { endpoint: "main", at: context.time, outcome: "exhausted", reason: "it was tried often enough" },
      ],
    ]);
  });
});

describe("queue handler", () => {
  it("rejects a batch of an unknown queue", async () => {
    const batch = createMessageBatch("another", []);
    await expect(worker.queue(batch, env, createExecutionContext())).rejects.toThrow("No consumer");
  });
});

describe("createDeliveryQueue", () => {
  it("sends at most 100 messages per batch", async () => {
    const sent: number[] = [];
    const queue = { sendBatch: async (messages: unknown[]) => void sent.push(messages.length) };
    const deliveries = createDeliveryQueue(queue as unknown as Env["DELIVERIES"], env.DELIVERIES_SLOW);
    await deliveries.send(Array.from({ length: 201 }, () => ({ delivery: DELIVERY, slow: false })));
    expect(sent).toEqual([100, 100, 1]);
  });

  it("sends each delivery to its queue, with its delay", async () => {
    const sent: unknown[] = [];
    const queue = (name: string) =>
      ({ sendBatch: async (batch: unknown[]) => void sent.push(name, ...batch) }) as unknown as Env["DELIVERIES"];
    const retry = { ...DELIVERY, attempt: 2 };
    await createDeliveryQueue(queue("fast"), queue("slow")).send([
      { delivery: retry, slow: true, delaySeconds: 30 },
      { delivery: DELIVERY, slow: false },
    ]);
    expect(sent).toEqual(["fast", { body: DELIVERY, delaySeconds: 0 }, "slow", { body: retry, delaySeconds: 30 }]);
  });
});

describe("POST /admin/v1/tenants/:tenant/events/:id/redeliver", () => {
  it("returns 503 with Retry-After when the queue rejects the message", async () => {
    await asOperator("PUT", "/tenants/acme/endpoints/main", { url: ENDPOINT.url });
    const send = vi.spyOn(env.DELIVERIES, "sendBatch").mockRejectedValue(new Error("The queue is overloaded."));
    const size = { bytes: 5, seconds: 60, expires: Math.floor(context.time / 1000) + 1_800 };
    await env.LEDGER.getByName("acme").reserve({ id: "one", version: 1e15, limits: {}, upstream: "default", ...size });
    await env.LEDGER.getByName("acme").attach("one", "0".repeat(32), "https://upload.example/1");
    const response = await asOperator("POST", "/tenants/acme/events/evt_acme_1/redeliver", {});
    send.mockRestore();
    expect([response.status, await codeOf(response)]).toEqual([503, "queue_unavailable"]);
    expect(response.headers.get("retry-after")).toBe("5");
  });
});
