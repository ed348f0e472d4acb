import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";
import { type Behaviour, type Receiver, startReceiver } from "../support/webhook-receiver.ts";

/** Deliveries of the built Worker to endpoints that take long, and to those beside them. */

/** The most that a tenant may have. */
const ENDPOINTS = 10;
const EVENTS = 6;
/** Within this time a healthy endpoint gets its event, whatever others do. */
const NEIGHBOUR_MS = 5_000;

let harness: TestGateway;
let receiver: Receiver;

beforeAll(async () => {
  [harness, receiver] = await Promise.all([startTestGateway(), startReceiver()]);
});
afterAll(async () => {
  await harness.stop();
  await receiver.close();
});

async function upload(tenant: string, key: string): Promise<void> {
  expect((await create(harness.url, tenant, bearer(key))).status).toBe(201);
}

/** Creates an endpoint that behaves like this. */
async function endpoint(tenant: string, id: string, behaviour?: Behaviour): Promise<void> {
  if (behaviour) receiver.behave(`${tenant}-${id}`, behaviour);
  await harness.operator("PUT", `/tenants/${tenant}/endpoints/${id}`, { url: receiver.url(`${tenant}-${id}`) });
}

describe("ten endpoints of one tenant", () => {
  it.each<[string, Behaviour]>([
    ["answer 200 and drip their body", drip],
    ["never answer", () => undefined],
    ["answer after 8 seconds", (response) => void setTimeout(() => response.writeHead(200).end(), 8_000)],
  ])("do not hold up another tenant's event when they %s", async (name, behaviour) => {
    const [slow, neighbour] = ["slow", "neighbour"].map((role) =>
      `${role}-${name.replaceAll(/\W+/g, "-")}`.slice(0, 30),
    );
    if (!slow || !neighbour) throw new Error("There are two tenants.");
    const [slowKey, key] = await Promise.all([harness.tenant(slow), harness.tenant(neighbour)]);
    for (let number = 0; number < ENDPOINTS; number++) await endpoint(slow, `e${number}`, behaviour);
    await endpoint(neighbour, "main");
    for (let number = 0; number < EVENTS; number++) await upload(slow, slowKey);
    // All of the slow ones are in the queue.
    await vi.waitUntil(() => receiver.received.some(({ endpoint: path }) => path.startsWith(slow)), { timeout: 3_000 });
    const start = Date.now();
    await upload(neighbour, key);
    await vi.waitUntil(() => receiver.of(`${neighbour}-main`).length > 0, { timeout: 60_000, interval: 20 });
    expect(Date.now() - start).toBeLessThan(NEIGHBOUR_MS);
  });
});

function drip(response: ServerResponse): void {
  response.writeHead(200).flushHeaders();
  const timer = setInterval(() => response.write("."), 500);
  response.on("close", () => clearInterval(timer));
}
