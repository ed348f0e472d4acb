import { describe, expect, it, vi } from "vitest";
import { MAX_ATTEMPTS, RETRY_DELAYS_SECONDS, SLOW_SECONDS } from "../../../src/core/webhooks/rules/retry-policy.ts";
import { problem } from "../../../src/core/shared/problem.ts";
import { err } from "../../../src/core/shared/result.ts";
import { consumeDeadDeliveries, consumeDeliveries, consumeSlowDeliveries } from "../../../src/queues/deliveries.ts";
import {
  DELIVERY,
  ENDPOINT,
  SECOND,
  consume,
  context,
  storedEndpoint,
  stubEndpoint,
  useDeliveries,
} from "./delivery-fixture.ts";

useDeliveries();

const fast = (bodies: readonly unknown[], attempts = 1) => consume(bodies, attempts, consumeDeliveries);
const slow = (bodies: readonly unknown[], attempts = 1) => consume(bodies, attempts, consumeSlowDeliveries);
const isSlow = async () => {
  const found = await context.ports.registry.uncached.endpoints("acme");
  return found.ok && found.value[0]?.slow;
};
/** Responds when it is told to. */
function stubPendingEndpoint(status = 200): () => void {
  const { promise, resolve } = Promise.withResolvers<Response>();
  stubEndpoint(() => promise);
  return () => resolve(new Response(null, { status }));
}

describe("the queue for all endpoints", () => {
  it("moves a failed delivery to the queue for slow endpoints, with the number and the delay of its next attempt", async () => {
    stubEndpoint(() => new Response(null, { status: 500 }));
    expect(await fast([DELIVERY])).toMatchObject({ acked: ["m0"], retried: [] });
    expect(context.sent).toEqual([{ delivery: { ...DELIVERY, attempt: 2 }, slow: true, delaySeconds: 5 }]);
    expect(context.attempts).toMatchObject([["acme", "event-1", { outcome: "failed", status: 500 }]]);
    expect(await isSlow()).toBe(true);
  });

  it("moves a delivery to a slow endpoint without an attempt, with its number", async () => {
    stubEndpoint(() => new Response(null, { status: 500 }));
    await fast([DELIVERY]);
    context.requests = [];
    context.sent = [];
    expect(await fast([DELIVERY])).toMatchObject({ acked: ["m0"] });
    expect(await fast([{ ...DELIVERY, attempt: 3 }])).toMatchObject({ acked: ["m0"] });
    // A message of the version before: its queue has counted.
    expect(await fast([DELIVERY], 4)).toMatchObject({ acked: ["m0"] });
    expect(context.sent.map(({ delivery, delaySeconds }) => [delivery.attempt, delaySeconds])).toEqual([
      [1, 0],
      [3, 0],
      [4, 0],
    ]);
    expect(context.requests).toEqual([]);
    expect(context.attempts).toHaveLength(1);
  });

  it("keeps a delivery that cannot be moved, and records no attempt that it would repeat", async () => {
    context.ports = { ...context.ports, deliveries: { send: () => Promise.reject(new Error("overloaded")) } };
    stubEndpoint(() => new Response(null, { status: 500 }));
    expect(await fast([DELIVERY])).toMatchObject({ acked: [], retried: ["m0"], delays: [5] });
    expect(context.attempts).toEqual([]);
  });

  it("does not repeat a delivery here that was moved, though its attempt cannot be recorded", async () => {
    const recordAttempt = () => Promise.reject(new Error("The ledger is moving."));
    context.ports = { ...context.ports, ledgers: { recordAttempt } };
    stubEndpoint(() => new Response(null, { status: 500 }));
    expect(await fast([DELIVERY])).toMatchObject({ acked: ["m0"], retried: [] });
    expect(context.sent).toHaveLength(1);
  });

  it("leaves the last attempt of a message of the version before to the dead letter queue", async () => {
    stubEndpoint(() => new Response(null, { status: 500 }));
    expect(await fast([DELIVERY], MAX_ATTEMPTS)).toMatchObject({ acked: [], retried: ["m0"] });
    expect(context.sent).toEqual([]);
  });

  it("acknowledges a first attempt that takes long, and goes on with it", async () => {
    context.waitMs = 20;
    const respond = stubPendingEndpoint();
    const { acked, rest } = await fast([DELIVERY]);
    expect([acked, rest.length, context.attempts]).toEqual([["m0"], 1, []]);
    respond();
    await Promise.all(rest);
    expect(context.attempts).toMatchObject([["acme", "event-1", { outcome: "delivered" }]]);
    expect(context.sent).toEqual([]);
  });

  it("waits less for a batch the more deliveries it has not waited for", async () => {
    const holds: number[] = [];
    const wait = (seconds: number) => {
      if (seconds < SLOW_SECONDS) holds.push(seconds);
      return scheduler.wait(20);
    };
    context.ports = { ...context.ports, wait };
    const respond = stubPendingEndpoint();
    const consumed = [await fast([DELIVERY]), await fast([DELIVERY])];
    respond();
    await Promise.all(consumed.flatMap(({ rest }) => rest));
    await fast([DELIVERY]);
    const [first = 0, meanwhile = 0, afterwards] = holds;
    expect(meanwhile).toBeLessThan(first);
    expect(afterwards).toBe(first);
  });

  it("moves a first attempt that takes long and then fails", async () => {
    context.waitMs = 20;
    const respond = stubPendingEndpoint(503);
    const { acked, rest } = await fast([DELIVERY]);
    respond();
    await Promise.all(rest);
    expect(acked).toEqual(["m0"]);
    expect(context.sent).toEqual([{ delivery: { ...DELIVERY, attempt: 2 }, slow: true, delaySeconds: 5 }]);
  });

  it("waits for later attempts, which the ledger does not hand over again", async () => {
    context.waitMs = 20;
    const respond = stubPendingEndpoint();
    const consumed = fast([{ ...DELIVERY, attempt: 2 }]);
    setTimeout(respond, 200);
    expect(await consumed).toMatchObject({ acked: ["m0"], rest: [] });
    expect(context.attempts).toHaveLength(1);
  });

  it("does not hold up a message for another endpoint of the batch", async () => {
    await context.store.endpoints.put("acme", "other", { ...ENDPOINT, url: "https://other.acme.com/" }, SECOND);
    context.waitMs = 20;
    vi.stubGlobal("fetch", async (url: string) =>
      url.includes("other") ? new Response() : new Promise<Response>(() => {}),
    );
    const { acked } = await fast([DELIVERY, { ...DELIVERY, endpoint: "other" }]);
    expect(acked.toSorted()).toEqual(["m0", "m1"]);
    expect(context.attempts).toMatchObject([["acme", "event-1", { endpoint: "other", outcome: "delivered" }]]);
  });
});

describe("the queue for slow endpoints", () => {
  it("repeats a failed delivery by the number in its message, and then records that its attempts are used up", async () => {
    stubEndpoint(() => new Response(null, { status: 500 }));
    // The message came with its third attempt; this queue has delivered it for the second time.
    expect(await slow([{ ...DELIVERY, attempt: 3 }], 2)).toMatchObject({ delays: [RETRY_DELAYS_SECONDS[3]] });
    expect(await slow([{ ...DELIVERY, attempt: 3 }], 9)).toMatchObject({ retried: ["m0"], delays: [60] });
    expect(context.requests).toHaveLength(2);
    expect(await slow([{ ...DELIVERY, attempt: 3 }], 10)).toMatchObject({ acked: ["m0"] });
    expect(context.requests).toHaveLength(2);
    expect(context.attempts.map(([, , { outcome }]) => outcome)).toEqual(["failed", "failed", "exhausted"]);
    expect(context.sent).toEqual([]);
  });

  it("never waits less than a minute to record used-up attempts again", async () => {
    const recordAttempt = () => Promise.reject(new Error("The ledger is moving."));
    context.ports = { ...context.ports, ledgers: { recordAttempt } };
    expect(await slow([{ ...DELIVERY, attempt: 12 }])).toMatchObject({ retried: ["m0"], delays: [60] });
    for (const attempts of [1, 2, 99])
      expect(await consume([DELIVERY], attempts, consumeDeadDeliveries)).toMatchObject({ delays: [60] });
  });

  it("delivers to an endpoint that has become healthy", async () => {
    stubEndpoint(() => new Response());
    expect(await slow([{ ...DELIVERY, attempt: 2 }])).toMatchObject({ acked: ["m0"] });
    expect(context.requests).toHaveLength(1);
    expect(context.sent).toEqual([]);
  });

  it("waits for its deliveries", async () => {
    context.waitMs = 20;
    const respond = stubPendingEndpoint();
    const consumed = slow([DELIVERY]);
    setTimeout(respond, 200);
    expect(await consumed).toMatchObject({ acked: ["m0"], rest: [] });
    expect(context.attempts).toHaveLength(1);
  });

  it("retries without an attempt when the registry cannot be read", async () => {
    const uncached = {
      ...context.ports.registry.uncached,
      endpoints: async () => err(problem("registry_unavailable", "Later.")),
    };
    context.ports = { ...context.ports, registry: { uncached } };
    expect(await slow([{ ...DELIVERY, attempt: 2 }])).toMatchObject({ retried: ["m0"], delays: [30] });
    expect(context.attempts).toEqual([]);
  });
});

describe("an endpoint", () => {
  it("is slow from a failure until one success in time", async () => {
    expect(await isSlow()).toBe(false);
    stubEndpoint(() => new Response(null, { status: 500 }));
    await slow([DELIVERY]);
    expect(await isSlow()).toBe(true);
    stubEndpoint(() => new Response());
    await slow([DELIVERY]);
    expect(await isSlow()).toBe(false);
    expect(await storedEndpoint()).not.toHaveProperty("slow");
  });

  it("is slow while it takes long, and after a success that took long", async () => {
    context.waitMs = 20;
    const respond = stubPendingEndpoint();
    const { rest } = await fast([DELIVERY]);
    await vi.waitFor(async () => expect(await isSlow()).toBe(true));
    respond();
    await Promise.all(rest);
    expect(await storedEndpoint()).toMatchObject({ slow: true });
    expect(await storedEndpoint()).not.toHaveProperty("failingSince");

    context.waitMs = 1_000;
    stubEndpoint(() => new Response());
    await slow([DELIVERY]);
    expect(await isSlow()).toBe(false);
  });

  it("stays slow, but no longer fails, when it succeeds after long", async () => {
    stubEndpoint(() => new Response(null, { status: 500 }));
    await slow([DELIVERY]);
    context.waitMs = 20;
    const respond = stubPendingEndpoint();
    setTimeout(respond, 200);
    await slow([DELIVERY]);
    expect(await isSlow()).toBe(true);
    expect(await storedEndpoint()).not.toHaveProperty("failingSince");
  });

  it("keeps the time of its first failure when it takes long", async () => {
    stubEndpoint(() => new Response(null, { status: 500 }));
    await slow([DELIVERY]);
    const { failingSince } = await storedEndpoint();
    context.time += 60_000;
    context.waitMs = 20;
    const respond = stubPendingEndpoint(500);
    setTimeout(respond, 200);
    await slow([DELIVERY]);
    expect((await storedEndpoint()).failingSince).toBe(failingSince);
  });

  it.each([
    ["gets another URL", async () => void (await put({ url: "https://new.acme.com/" }))],
    [
      "is enabled again",
      async () => {
        await put({ disabled: true });
        await put({});
      },
    ],
  ])("is no longer slow when it %s", async (_, change) => {
    context.waitMs = 20;
    const respond = stubPendingEndpoint();
    setTimeout(respond, 200);
    await slow([DELIVERY]);
    await put({});
    expect(await isSlow()).toBe(true);
    await change();
    expect(await isSlow()).toBe(false);
  });
});

describe("the delay of a retry", () => {
  it.each([
    [503, "120", 120],
    [429, "99999", 43_200],
    [500, "120", 5],
    [503, "1", 5],
    [503, "soon", 5],
  ])("after %i with Retry-After: %s is %d seconds", async (status, retryAfter, delay) => {
    stubEndpoint(() => new Response(null, { status, headers: { "retry-after": retryAfter } }));
    expect(await slow([DELIVERY])).toMatchObject({ delays: [delay] });
    await context.store.endpoints.put("acme", "main", { ...ENDPOINT, url: "https://new.acme.com/" }, "");
    await fast([DELIVERY]);
    expect(context.sent).toMatchObject([{ delaySeconds: delay }]);
    for (const [, , attempt] of context.attempts) expect(attempt).not.toHaveProperty("retryAfter");
  });

  it("is as long as an HTTP date says", async () => {
    const date = new Date(context.time + 600_000).toUTCString();
    stubEndpoint(() => new Response(null, { status: 503, headers: { "retry-after": date } }));
    const [delay] = (await slow([DELIVERY])).delays;
    expect(delay).toBeGreaterThan(598);
    expect(delay).toBeLessThanOrEqual(600);
  });

  it("varies", async () => {
    stubEndpoint(() => new Response(null, { status: 500 }));
    for (const [random, delay] of [
      [0, 4],
      [1, 6],
    ] as const) {
      context.ports = { ...context.ports, random: () => random };
      expect(await slow([DELIVERY])).toMatchObject({ delays: [delay] });
    }
  });
});

const put = (change: object) => context.store.endpoints.put("acme", "main", { ...ENDPOINT, ...change }, "");
