import { afterAll, beforeAll, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";
import { type Receiver, startReceiver } from "../support/webhook-receiver.ts";

/** Events whose delivery is lost: the local queue keeps its messages in memory. */

/** A restart, the alarm 5 seconds after an event, and a batch. */
const SOON = { timeout: 30_000, interval: 100 };

let harness: TestGateway;
let receiver: Receiver;

beforeAll(async () => {
  [harness, receiver] = await Promise.all([startTestGateway(), startReceiver()]);
});
afterAll(async () => {
  await harness.stop();
  await receiver.close();
});

it("delivers an event 15 minutes after the gateway was killed during its first attempt", async () => {
  const key = await harness.tenant("acme");
  receiver.behave("main", (response, nth) => nth > 1 && void response.writeHead(204).end());
  await harness.operator("PUT", "/tenants/acme/endpoints/main", { url: receiver.url("main") });
  expect((await create(harness.url, "acme", bearer(key))).status).toBe(201);
  await expect.poll(() => receiver.of("main"), SOON).toHaveLength(1);
  await harness.age(16 * 60);
  await expect.poll(() => receiver.of("main"), SOON).toHaveLength(2);
  const [first, second] = receiver.of("main");
  expect([second?.id, second?.text]).toEqual([first?.id, first?.text]);
  const event = () => harness.operator("GET", `/tenants/acme/events/${second?.id}`);
  await expect.poll(event, SOON).toMatchObject({ attempts: [{ outcome: "delivered", status: 204 }] });
});
