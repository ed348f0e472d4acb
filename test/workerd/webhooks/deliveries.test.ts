import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createDeliveryQueue } from "../../../src/adapters/webhooks/delivery-queue.ts";
import { createLedgers } from "../../../src/adapters/durable-objects/ledger-client.ts";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createAdminRegistry } from "../../../src/adapters/d1/admin-registry.ts";
import type { AdminRegistry } from "../../../src/core/ports/admin-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import { createWebhooks } from "../../../src/adapters/webhooks/http-sender.ts";
import { parseConfig } from "../../../src/config.ts";
import { MAX_FAILING_MS, RETRY_DELAYS_SECONDS } from "../../../src/core/webhooks/rules/retry-policy.ts";
import { problem } from "../../../src/core/shared/problem.ts";
import { err } from "../../../src/core/shared/result.ts";
import worker from "../../../src/index.ts";
import { consumeDeadDeliveries, consumeDeliveries } from "../../../src/queues/deliveries.ts";
import type { DeliverEventPorts } from "../../../src/core/webhooks/deliver-event.ts";
import type { DeliveryAttempt } from "../../../src/core/webhooks/rules/delivery.ts";
import { webhookEvent } from "../../support/event-fixtures.ts";
import { TENANT_SETTINGS, asOperator, codeOf } from "../support/worker.ts";

const SECRET = `whsec_${"A".repeat(43)}=`;
const SECOND = `whsec_${"B".repeat(43)}=`;
const NEW = { url: "https://hooks.acme.com/", disabled: false };

let time: number;
let store: AdminRegistry;
let ports: DeliverEventPorts;
let attempts: [tenant: string, eventId: string, attempt: DeliveryAttempt][];
let requests: Request[];

beforeEach(async () => {
  time = Date.now();
  attempts = [];
  requests = [];
  const config = { ...parseConfig(env), allowLoopback: false };
  const encryption = createFieldEncryption(config.masterKeys);
  const now = () => time;
  const registry = createRegistry(env.DB, config, encryption, now);
  store = createAdminRegistry(env.DB, encryption, now, { onWrite: () => {}, onTenantChanged: async () => {} });
  ports = {
    registry,
    ledgers: { recordAttempt: async (...attempt) => void attempts.push(attempt) },
    webhooks: createWebhooks(now),
    health: store.health,
    nowMs: now,
    config,
  };
  await store.tenants.put("acme", TENANT_SETTINGS);
  await store.endpoints.put("acme", "main", NEW, SECRET);
});
afterEach(() => vi.unstubAllGlobals());

/** What the endpoint answers, whatever it is sent. */
function answering(answer: () => Response | Promise<Response>): void {
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const request = new Request(url, init);
    requests.push(request);
    return answer();
  });
}

const DELIVERY = { tenant: "acme", endpoint: "main", event: webhookEvent() };

async function consume(bodies: readonly unknown[], tried = 1, consumer = consumeDeliveries) {
  const messages = bodies.map((body, index) => ({ id: `m${index}`, timestamp: new Date(), attempts: tried, body }));
  const batch = createMessageBatch("sluice-deliveries", messages);
  // The batch of the tests does not tell how long a message is held back.
  const retries = batch.messages.map((message) => vi.spyOn(message, "retry"));
  await consumer(batch, ports);
  const { explicitAcks, retryMessages } = await getQueueResult(batch, createExecutionContext());
  const delays = retries.flatMap((retry) => retry.mock.calls.map(([options]) => options?.delaySeconds));
  return { acked: explicitAcks, retried: retryMessages.map(({ msgId }) => msgId), delays };
}

const endpoint = async () => {
  const document = await store.endpoints.get("acme", "main");
  if (!document) throw new Error("There is no endpoint.");
  return document;
};

describe("a delivery", () => {
  it("is signed as the Standard Webhooks specification has it, by all valid secrets, and says no more than it must", async () => {
    await store.endpoints.rotateSecret("acme", "main", SECOND);
    answering(() => new Response("thank you", { status: 202 }));
    expect(await consume([DELIVERY])).toMatchObject({ acked: ["m0"], retried: [] });

    const [request] = requests;
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
    expect(attempts).toEqual([
      ["acme", "event-1", { endpoint: "main", at: time, outcome: "delivered", status: 202, milliseconds: 0 }],
    ]);
  });

  it.each([301, 400, 404, 429, 500, 503])("that is answered %i is repeated later, and recorded", async (status) => {
    answering(() => new Response(null, { status }));
    expect(await consume([DELIVERY])).toEqual({
      acked: [],
      retried: ["m0"],
      delays: [RETRY_DELAYS_SECONDS[0]],
    });
    expect(attempts).toMatchObject([["acme", "event-1", { outcome: "failed", status }]]);
    expect((await endpoint()).failingSince).toBe(new Date(time).toISOString());
  });

  it("is repeated ever later, and in the end goes to the dead letters", async () => {
    answering(() => new Response(null, { status: 500 }));
    for (const [index, delay] of RETRY_DELAYS_SECONDS.entries())
      expect(await consume([DELIVERY], index + 1)).toMatchObject({ retried: ["m0"], delays: [delay] });
    const last = await consume([DELIVERY], RETRY_DELAYS_SECONDS.length + 1);
    expect(last).toMatchObject({ retried: ["m0"], delays: [undefined] });
  });

  it("without an answer is repeated, and the reason does not show the URL", async () => {
    answering(() => Promise.reject(new Error("connect to https://hooks.acme.com/ failed")));
    expect((await consume([DELIVERY])).retried).toHaveLength(1);
    expect(attempts[0]?.[2]).toMatchObject({ outcome: "failed", reason: "it cannot be reached" });
    answering(() => Promise.reject(new DOMException("too late", "TimeoutError")));
    await consume([DELIVERY]);
    expect(attempts[1]?.[2]).toMatchObject({ outcome: "failed", reason: "no answer within 10 s" });
  });

  it("counts by its status, whatever becomes of the rest of the answer, of which little is read", async () => {
    let pulled = 0;
    const endless = new ReadableStream({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(16 * 1024));
      },
    });
    answering(() => new Response(endless));
    expect((await consume([DELIVERY])).acked).toEqual(["m0"]);
    expect(pulled).toBeLessThan(10);
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
    answering(() => new Response(broken));
    expect((await consume([DELIVERY])).acked).toEqual(["m0"]);
  });

  it("to an endpoint that is gone disables it at once, and says so in the audit", async () => {
    answering(() => new Response(null, { status: 410 }));
    expect((await consume([DELIVERY])).acked).toEqual(["m0"]);
    expect(attempts).toMatchObject([["acme", "event-1", { outcome: "failed", status: 410 }]]);
    expect((await endpoint()).disabledReason).toBe("it answered 410 Gone");
    expect(await store.audit({ before: 1e9, limit: 1 })).toMatchObject([
      { actor: "sluice", action: "endpoint.disable", target: "main", tenant: "acme" },
    ]);
  });

  it.each([
    ["the endpoint was deleted", () => store.endpoints.delete("acme", "main")],
    ["the endpoint is disabled", () => store.endpoints.put("acme", "main", { ...NEW, disabled: true }, "")],
  ])("is not sent where %s", async (reason, change) => {
    answering(() => new Response());
    // What an isolate has cached does not count.
    await ports.registry.uncached.endpoints("acme");
    await change();
    expect((await consume([DELIVERY])).acked).toEqual(["m0"]);
    expect(requests).toEqual([]);
    expect(attempts).toMatchObject([["acme", "event-1", { endpoint: "main", outcome: "skipped", reason }]]);
  });

  it.each(["https://10.0.0.1/", "http://localhost:8080/", "https://db.internal/"])(
    "is not sent to %s, however that came to be the URL",
    async (url) => {
      await store.endpoints.put("acme", "main", { ...NEW, url }, SECRET);
      answering(() => new Response());
      expect((await consume([DELIVERY])).retried).toHaveLength(1);
      expect(requests).toEqual([]);
      expect(attempts).toMatchObject([["acme", "event-1", { outcome: "failed", reason: "the URL is not allowed" }]]);
    },
  );

  it("is not sent unsigned", async () => {
    await env.DB.exec("UPDATE endpoints SET sealed_secrets = 'v1.lost.AAAA'");
    answering(() => new Response());
    expect((await consume([DELIVERY])).retried).toHaveLength(1);
    expect(requests).toEqual([]);
  });

  it("waits while the registry cannot be read, and that is not the endpoint's fault", async () => {
    const uncached = {
      ...ports.registry.uncached,
      endpoints: async () => err(problem("registry_unavailable", "Later.")),
    };
    ports = { ...ports, registry: { uncached } };
    expect((await consume([DELIVERY])).retried).toHaveLength(1);
    expect(attempts).toEqual([]);
    expect(await endpoint()).not.toHaveProperty("failingSince");
  });
});

it("no more messages are sent at once than a Queue takes", async () => {
  const sent: number[] = [];
  const queue = { sendBatch: async (messages: unknown[]) => void sent.push(messages.length) };
  const deliveries = createDeliveryQueue(queue as unknown as Env["DELIVERIES"]);
  await deliveries.send(Array.from({ length: 201 }, () => DELIVERY));
  expect(sent).toEqual([100, 100, 1]);
});

describe("an endpoint that fails", () => {
  it("is healthy again after one success", async () => {
    answering(() => new Response(null, { status: 500 }));
    await consume([DELIVERY]);
    const since = (await endpoint()).failingSince;
    time += 1_000;
    await consume([DELIVERY]);
    expect((await endpoint()).failingSince).toBe(since);
    answering(() => new Response());
    const recovered = vi.spyOn(ports.health, "markRecovered");
    for (let count = 0; count < 3; count++) await consume([DELIVERY]);
    expect(await endpoint()).not.toHaveProperty("failingSince");
    // What has not changed is not written.
    expect(recovered).toHaveBeenCalledTimes(1);
  });

  it("is disabled after days, as one more event is given up, with an entry in the audit, and not a moment sooner", async () => {
    answering(() => new Response(null, { status: 500 }));
    const last = RETRY_DELAYS_SECONDS.length + 1;
    await consume([DELIVERY]);
    time += MAX_FAILING_MS;
    await consume([DELIVERY], last);
    expect(await endpoint()).not.toHaveProperty("disabledAt");
    time += 1;
    // It may have had nothing to receive since: the first event after a quiet week is tried as often as any.
    for (let tried = 1; tried < last; tried++) await consume([DELIVERY], tried);
    expect(await endpoint()).not.toHaveProperty("disabledAt");
    await consume([DELIVERY], last);
    expect(await endpoint()).toMatchObject({
      disabledAt: new Date(time).toISOString(),
      disabledReason: "it failed for days",
    });
    expect(await store.audit({ before: 1e9, limit: 1 })).toMatchObject([
      { actor: "sluice", action: "endpoint.disable", details: { reason: "it failed for days" } },
    ]);
    requests = [];
    expect((await consume([DELIVERY])).acked).toEqual(["m0"]);
    expect(requests).toEqual([]);
  });

  it("does not hold up others", async () => {
    await store.endpoints.put("acme", "other", { ...NEW, url: "https://other.acme.com/" }, SECOND);
    vi.stubGlobal("fetch", async (url: string) => {
      if (url.includes("hooks")) throw new Error("reset");
      return new Response();
    });
    expect(await consume([DELIVERY, { ...DELIVERY, endpoint: "other" }, "junk"])).toEqual({
      acked: ["m1", "m2"],
      retried: ["m0"],
      delays: [5],
    });
  });
});

describe("a message", () => {
  it.each([null, "text", {}, { ...DELIVERY, event: {} }, { ...DELIVERY, tenant: 1 }])(
    "%j is dropped, and blocks nothing",
    async (body) => {
      answering(() => new Response());
      expect(await consume([body, DELIVERY])).toMatchObject({ acked: ["m0", "m1"], retried: [] });
      expect(requests).toHaveLength(1);
    },
  );

  it("whose attempt cannot be recorded comes again, unless it was delivered", async () => {
    // What stands behind the port when the ledger cannot be reached.
    const broken = { getByName: () => ({ recordAttempt: () => Promise.reject(new Error("The ledger is moving.")) }) };
    ports = { ...ports, ledgers: createLedgers(broken as unknown as Env["LEDGER"]) };
    const dead = await consume([DELIVERY], 1, consumeDeadDeliveries);
    expect(dead).toMatchObject({ acked: [], retried: ["m0"], delays: [60] });
    answering(() => new Response(null, { status: 410 }));
    expect((await consume([DELIVERY])).retried).toEqual(["m0"]);
    await store.endpoints.put("acme", "main", NEW, SECRET);
    answering(() => new Response());
    expect(await consume([DELIVERY])).toMatchObject({ acked: ["m0"], retried: [] });
  });

  it("among the dead letters is recorded as given up, and sent to nobody", async () => {
    answering(() => new Response());
    expect((await consume([DELIVERY], 1, consumeDeadDeliveries)).acked).toEqual(["m0"]);
    expect(requests).toEqual([]);
    expect(attempts).toEqual([
      ["acme", "event-1", { endpoint: "main", at: time, outcome: "exhausted", reason: "it was tried often enough" }],
    ]);
  });

  it("of a queue that nobody knows is left where it is", async () => {
    await expect(worker.queue(createMessageBatch("another", []), env)).rejects.toThrow("no consumer");
  });
});

it("an event that the queue does not take is not sent again, and that is no bug", async () => {
  await asOperator("PUT", "/tenants/acme/endpoints/main", { url: NEW.url });
  const send = vi.spyOn(env.DELIVERIES, "sendBatch").mockRejectedValue(new Error("The queue is overloaded."));
  const size = { bytes: 5, seconds: 60, expires: Math.floor(time / 1000) + 1_800 };
  await env.LEDGER.getByName("acme").reserve({ id: "one", version: 1e15, limits: {}, upstream: "default", ...size });
  await env.LEDGER.getByName("acme").attach("one", "0".repeat(32), "https://upload.example/1");
  const answer = await asOperator("POST", "/tenants/acme/events/evt_acme_1/redeliver", {});
  send.mockRestore();
  expect([answer.status, await codeOf(answer)]).toEqual([503, "queue_unavailable"]);
  expect(answer.headers.get("retry-after")).toBe("5");
});

it("the operator's list of endpoints shows what deliveries have shown", async () => {
  answering(() => new Response(null, { status: 410 }));
  await consume([DELIVERY]);
  vi.unstubAllGlobals();
  expect(await (await asOperator("GET", "/tenants/acme/endpoints")).json()).toMatchObject({
    endpoints: [{ id: "main", disabled: true, disabledReason: "it answered 410 Gone" }],
  });
});
