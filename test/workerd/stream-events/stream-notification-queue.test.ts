import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, expect, it, vi } from "vitest";
import { createLedgers } from "../../../src/adapters/durable-objects/ledger-client.ts";
import worker from "../../../src/index.ts";
import { STREAM_NOTIFICATIONS } from "../../../src/queues/names.ts";
import { asOperator, seedTenant } from "../support/worker.ts";

/** Stream's events, as a Queue brings them. */

const ACCOUNT = "f9f79265f388666de8122cfb508d7776";
const ledgers = createLedgers(env.LEDGER);
const now = () => Math.floor(Date.now() / 1000);
let made = 0;

beforeEach(async () => {
  await asOperator("PUT", "/upstreams/eu", { accountId: ACCOUNT, apiToken: "token" });
  await seedTenant("acme", { upstream: "eu" });
});

async function issued(upstream = "eu"): Promise<{ id: string; uid: string }> {
  const [id, uid] = [`upload-${++made}`, String(made).padStart(32, "0")];
  const ledger = env.LEDGER.getByName("acme");
  const size = { bytes: 5, seconds: 60 };
  await ledger.reserve({ id, version: 1e15, limits: {}, upstream, expires: now() + 1_800, ...size });
  await ledger.attach(id, uid, "https://upload.example/1");
  return { id, uid };
}

/** As Cloudflare's samples are: `id` for `uid`, and no `creator`. */
function event({ id, uid }: { id: string; uid: string }, more: object = {}) {
  return {
    type: "cf.stream.video_state.ready",
    source: { type: "stream" },
    payload: { id: uid, status: { state: "ready" }, duration: 7, meta: { sluice: `acme/${id}` } },
    metadata: { accountId: ACCOUNT, eventSchemaVersion: 1, eventTimestamp: "2026-05-01T02:48:57.132Z" },
    ...more,
  };
}

async function consume(bodies: readonly unknown[], attempts = 3) {
  const messages = bodies.map((body, index) => ({ id: `m${index}`, timestamp: new Date(), attempts, body }));
  const batch = createMessageBatch(STREAM_NOTIFICATIONS, messages);
  const retries = batch.messages.map((message) => vi.spyOn(message, "retry"));
  const context = createExecutionContext();
  await worker.queue(batch, env);
  return { ...(await getQueueResult(batch, context)), retries: retries.map(({ mock }) => mock.calls) };
}

async function stateOf(id: string) {
  const found = await ledgers.find("acme", id);
  return found.ok ? found.value?.state : undefined;
}

it("settles each upload, and acknowledges each message by itself", async () => {
  const [one, other] = [await issued(), await issued()];
  const failed = {
    id: other.uid,
    status: { state: "error", errReasonCode: "ERR_NON_VIDEO" },
    meta: { sluice: `acme/${other.id}` },
  };
  const result = await consume([event(one), event(other, { type: "cf.stream.video_state.updated", payload: failed })]);
  expect(result.explicitAcks).toEqual(["m0", "m1"]);
  expect(result.ackAll).toBe(false);
  expect(await stateOf(one.id)).toBe("ready");
  expect(await ledgers.find("acme", other.id)).toMatchObject({ value: { state: "failed", failure: "ERR_NON_VIDEO" } });
});

it.each([
  ["nothing", null],
  ["text", "ready"],
  ["an event of another product", { type: "cf.r2.bucket.created", payload: {}, metadata: { accountId: ACCOUNT } }],
  ["no video", event({ id: "one", uid: "1" }, { payload: { id: "1" } })],
  ["a foreign account's", event({ id: "one", uid: "1" }, { metadata: { accountId: "another" } })],
  ["a stranger's", event({ id: "nothing", uid: "1".repeat(32) })],
])("acknowledges what will never be recorded, and the messages beside it: %s", async (_, body) => {
  const upload = await issued();
  const result = await consume([body, event(upload)]);
  expect(result.explicitAcks).toEqual(["m0", "m1"]);
  expect(await stateOf(upload.id)).toBe("ready");
});

it("takes the only upstream for a message that tells no account, and none of several", async () => {
  const [one, other] = [await issued(), await issued()];
  await consume([event(one, { metadata: undefined })]);
  expect(await stateOf(one.id)).toBe("ready");

  await asOperator("PUT", "/upstreams/us", { accountId: "another", apiToken: "token" });
  const result = await consume([event(other, { metadata: undefined })]);
  expect(result.explicitAcks).toEqual(["m0"]);
  expect(await stateOf(other.id)).toBe("issued");
});

it("finds the upload with any of the upstreams that are one account", async () => {
  await asOperator("PUT", "/upstreams/a-first", { accountId: ACCOUNT, apiToken: "token" });
  await asOperator("PUT", "/upstreams/z-last", { accountId: ACCOUNT, apiToken: "token" });
  const upload = await issued("z-last");
  await consume([event(upload)]);
  expect(await stateOf(upload.id)).toBe("ready");
});

it("has a message come again, later and later, while the registry cannot be asked", async () => {
  const upload = await issued();
  await env.DB.exec("DROP TABLE upstreams");
  const result = await consume([null, event(upload)]);
  expect(result.explicitAcks).toEqual(["m0"]);
  expect(result.retryMessages).toEqual([{ msgId: "m1" }]);
  // The third attempt.
  expect(result.retries).toEqual([[], [[{ delaySeconds: 120 }]]]);
  expect((await consume([event(upload)], 20)).retries).toEqual([[[{ delaySeconds: 3_600 }]]]);
});

it("tells of each message in a line of its own", async () => {
  const log = vi.spyOn(console, "log");
  const upload = await issued();
  await consume([event(upload), null]);
  const lines = log.mock.calls.map(([line]) => JSON.parse(String(line)) as Record<string, unknown>);
  log.mockRestore();
  expect(lines.filter(({ method }) => method === "QUEUE")).toMatchObject([
    { requestId: "m0", route: STREAM_NOTIFICATIONS, status: 200, streamEvent: "recorded", tenant: "acme" },
    { requestId: "m1", route: STREAM_NOTIFICATIONS, status: 400, problem: "body_invalid" },
  ]);
});
