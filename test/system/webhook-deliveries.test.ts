import { Readable } from "node:stream";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";
import { type Behaviour, type Receiver, startReceiver } from "../support/webhook-receiver.ts";

/** Deliveries of the built Worker to a tenant's endpoints. */

interface StoredEvent {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly upload: { readonly id: string } };
  readonly attempts: { endpoint: string; outcome: string; status?: number; reason?: string }[];
}

/** The queue batches for one second, and the first retry waits five. */
const SOON = { timeout: 15_000, interval: 100 };
const LARGE_RESPONSE_BYTES = 10_000_000;
const CHUNK_BYTES = 10_000;

let harness: TestGateway;
let receiver: Receiver;

beforeAll(async () => {
  [harness, receiver] = await Promise.all([startTestGateway(), startReceiver()]);
});
afterAll(async () => {
  await harness.stop();
  await receiver.close();
});

async function endpoint(tenant: string, id: string, settings: object = {}): Promise<void> {
  const document = await harness.operator("PUT", `/tenants/${tenant}/endpoints/${id}`, {
    url: receiver.url(id),
    ...settings,
  });
  if (document["secret"]) receiver.trust(id, document["secret"]);
}

/** @returns the id of the created upload */
async function upload(tenant: string, key: string): Promise<string> {
  const created = await create(harness.url, tenant, bearer(key));
  expect(created.status).toBe(201);
  return created.headers.get("sluice-upload-id") ?? "";
}

async function eventsOf(tenant: string): Promise<StoredEvent[]> {
  const page = (await harness.operator("GET", `/tenants/${tenant}/events`)) as unknown as { events: StoredEvent[] };
  return page.events;
}

async function attemptsOf(tenant: string, id: string, endpoint: string): Promise<StoredEvent["attempts"]> {
  const event = (await harness.operator("GET", `/tenants/${tenant}/events/${id}`)) as unknown as StoredEvent;
  return event.attempts.filter((attempt) => attempt.endpoint === endpoint);
}

describe("delivery of an event", () => {
  const firstTime =
    (behaviour: Behaviour): Behaviour =>
    (response, nth) =>
      nth === 1 ? behaviour(response, nth) : void response.writeHead(200).end();
  const behaviours: Record<string, Behaviour> = {
    fine: (response) => void response.writeHead(200).end("thank you"),
    failing: firstTime((response) => void response.writeHead(500).end()),
    moved: firstTime((response) => void response.writeHead(301, { Location: receiver.url("trap") }).end()),
    broken: firstTime((response) => response.destroy()),
    silent: firstTime(() => undefined),
    large: (response) => void Readable.from(largeResponse()).pipe(response.writeHead(200)),
    gone: (response) => void response.writeHead(410).end(),
  };
  let id: string;
  /** Bytes of the large response that were sent. */
  let sentBytes = 0;

  function* largeResponse() {
    for (let sent = 0; sent < LARGE_RESPONSE_BYTES; sent += CHUNK_BYTES) {
      sentBytes = sent;
      yield Buffer.alloc(CHUNK_BYTES);
    }
  }

  beforeAll(async () => {
    const key = await harness.tenant("acme");
    for (const [name, behaviour] of Object.entries(behaviours)) {
      receiver.behave(name, behaviour);
      await endpoint("acme", name);
    }
    await endpoint("acme", "disabled", { disabled: true });
    await endpoint("acme", "uninterested", { events: ["upload.ready"] });
    const uploadId = await upload("acme", key);
    const event = await vi.waitUntil(async () => (await eventsOf("acme"))[0], SOON);
    ({ id } = event);
    expect(event).toMatchObject({ type: "upload.created", data: { upload: { id: uploadId } } });
  });

  it.each([
    ["fine", 1, [{ outcome: "delivered", status: 200 }]],
    [
      "failing",
      2,
      [
        { outcome: "failed", status: 500 },
        { outcome: "delivered", status: 200 },
      ],
    ],
    [
      "moved",
      2,
      [
        { outcome: "failed", status: 301 },
        { outcome: "delivered", status: 200 },
      ],
    ],
    ["broken", 2, [{ outcome: "failed", reason: "it cannot be reached" }, { outcome: "delivered" }]],
    ["silent", 2, [{ outcome: "failed", reason: "no answer within 10 s" }, { outcome: "delivered" }]],
    ["large", 1, [{ outcome: "delivered", status: 200 }]],
    ["gone", 1, [{ outcome: "failed", status: 410 }]],
  ])("delivers to the endpoint that is %s, with the same id on each attempt", async (name, times, attempts) => {
    await expect
      .poll(() => attemptsOf("acme", id, name), { timeout: 40_000, interval: 200 })
      .toHaveLength(attempts.length);
    expect(await attemptsOf("acme", id, name)).toMatchObject(attempts);
    const deliveries = receiver.of(name);
    expect(deliveries.map((delivery) => delivery.id)).toEqual(Array(times).fill(id));
    for (const delivery of deliveries) expect(delivery.verifiedBy).toEqual([0]);
  });

  it("does not follow redirects, read large responses, or send to disabled and unsubscribed endpoints", async () => {
    expect(receiver.of("trap")).toEqual([]);
    expect(receiver.of("disabled")).toEqual([]);
    expect(receiver.of("uninterested")).toEqual([]);
    // Buffers between the processes hold more than what is read, but far less than all.
    expect(sentBytes).toBeGreaterThan(0);
    expect(sentBytes).toBeLessThan(LARGE_RESPONSE_BYTES / 2);
  });

  it("disables the endpoint that returned 410, with an audit entry", async () => {
    expect(await harness.operator("GET", "/tenants/acme/endpoints/gone")).toMatchObject({ disabled: true });
    expect(await harness.operator("GET", "/audit?tenant=acme&limit=1")).toMatchObject({
      entries: [{ actor: "sluice", action: "endpoint.disable", target: "gone" }],
    });
  });

  it("sends only the required headers", () => {
    const names = Object.keys(receiver.of("fine")[0]?.headers ?? {}).toSorted();
    // Headers that the runtime adds are ignored.
    const runtime = new Set(["connection", "content-length", "host", "cf-worker"]);
    expect(names.filter((name) => !runtime.has(name))).toEqual([
      "content-type",
      "user-agent",
      "webhook-id",
      "webhook-signature",
      "webhook-timestamp",
    ]);
    expect(receiver.of("fine")[0]?.headers["user-agent"]).toBe("Sluice");
  });

  it("redelivers to one endpoint or to all subscribed ones, with the same id", async () => {
    const path = `/tenants/acme/events/${id}/redeliver`;
    expect(await harness.operator("POST", path, { endpoint: "fine" })).toEqual({ endpoints: ["fine"] });
    await expect.poll(() => receiver.of("fine"), SOON).toHaveLength(2);
    const { endpoints } = (await harness.operator("POST", path, {})) as unknown as { endpoints: string[] };
    expect(endpoints.toSorted()).toEqual(["broken", "failing", "fine", "large", "moved", "silent"]);
    await expect.poll(() => receiver.of("fine"), SOON).toHaveLength(3);
    const [one, two, three] = receiver.of("fine");
    expect([two?.id, three?.id]).toEqual([one?.id, one?.id]);
    expect([two?.text, three?.text]).toEqual([one?.text, one?.text]);
    await expect.poll(() => attemptsOf("acme", id, "fine"), SOON).toHaveLength(3);
  });

  it.each([
    ["gone", 409],
    ["nobody", 400],
  ])("refuses to redeliver to %s with %i", async (endpoint, status) => {
    const redelivery = harness.operator("POST", `/tenants/acme/events/${id}/redeliver`, { endpoint });
    await expect(redelivery).rejects.toThrow(String(status));
  });

  it("returns 404 for the event of another tenant", async () => {
    await harness.tenant("stranger");
    for (const [method, path] of [
      ["GET", `/tenants/stranger/events/${id}`],
      ["POST", `/tenants/stranger/events/${id}/redeliver`],
    ] as const)
      await expect(harness.operator(method, path, method === "POST" ? {} : undefined)).rejects.toThrow("404");
  });

  it("sends bodies that match the published schema", async () => {
    const response = await fetch(`${harness.url}/schemas/upload-event.v1.json`);
    expect(response.headers.get("content-type")).toBe("application/schema+json");
    const validate = new Ajv2020({ strict: true, allErrors: true }).compile((await response.json()) as object);
    const bodies = receiver.received.map(({ text }) => JSON.parse(text) as Record<string, object>);
    expect(bodies.length).toBeGreaterThan(10);
    for (const body of bodies) expect(validate(body), JSON.stringify(validate.errors)).toBe(true);

    const [body] = bodies;
    for (const wrong of [
      { ...body, type: "upload.ready" },
      { ...body, type: "upload.other" },
      { ...body, version: 2 },
      { ...body, timestamp: 5 },
      { ...body, data: { ...body?.["data"], upload: {} } },
      { ...body, data: { ...body?.["data"], sequence: "1" } },
    ])
      expect(validate(wrong), JSON.stringify(wrong)).toBe(false);
    expect((await fetch(`${harness.url}/schemas/upload-event.v1.json`, { method: "POST" })).status).toBe(405);
  });
});

describe("POST …/endpoints/:id/rotate", () => {
  it("signs with the old and the new secret after a rotation", async () => {
    const key = await harness.tenant("rotating");
    await endpoint("rotating", "rotated");
    const { secret = "" } = await harness.operator("POST", "/tenants/rotating/endpoints/rotated/rotate");
    receiver.trust("rotated", secret);
    await upload("rotating", key);
    await expect.poll(() => receiver.of("rotated"), SOON).toHaveLength(1);
    expect(receiver.of("rotated")[0]?.verifiedBy).toEqual([0, 1]);
  });
});

describe("GET /tenants/:tenant/events", () => {
  it("stores events only while the tenant has endpoints", async () => {
    const key = await harness.tenant("changing");
    await upload("changing", key);
    await endpoint("changing", "only");
    const uploadId = await upload("changing", key);
    await expect.poll(() => receiver.of("only"), SOON).toHaveLength(1);
    await harness.operator("DELETE", "/tenants/changing/endpoints/only");
    await upload("changing", key);
    const events = await eventsOf("changing");
    expect(events.map(({ data }) => data.upload.id)).toEqual([uploadId]);
  });

  it("lists events in pages, newest first", async () => {
    const key = await harness.tenant("paging");
    await endpoint("paging", "paged");
    const ids: string[] = [];
    for (let count = 0; count < 3; count++) ids.unshift(await upload("paging", key));
    await expect.poll(() => eventsOf("paging"), SOON).toHaveLength(3);
    interface Page {
      readonly events: StoredEvent[];
      readonly cursor?: string;
    }
    const page = async (query: string) =>
      (await harness.operator("GET", `/tenants/paging/events?limit=2${query}`)) as unknown as Page;
    const one = await page("");
    const two = await page(`&cursor=${one.cursor}`);
    expect([...one.events, ...two.events].map(({ data }) => data.upload.id)).toEqual(ids);
    expect(two).not.toHaveProperty("cursor");
  });
});

describe("the log", () => {
  it("logs neither secrets nor URLs of endpoints", async () => {
    const key = await harness.tenant("logged");
    const { secret = "" } = await harness.operator("PUT", "/tenants/logged/endpoints/log", {
      url: receiver.url("log"),
    });
    await upload("logged", key);
    await expect.poll(() => receiver.of("log"), SOON).toHaveLength(1);
    await expect.poll(() => harness.log.filter((line) => line.includes(`"outcome":"delivered"`)), SOON).not.toEqual([]);
    expect(harness.log.join("\n")).not.toContain(secret);
    expect(harness.log.join("\n")).not.toContain(receiver.url("log"));
  });
});
