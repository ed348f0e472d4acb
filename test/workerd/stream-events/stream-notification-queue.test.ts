import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { createLedgers } from "../../../src/adapters/durable-objects/ledger-client.ts";
import worker from "../../../src/index.ts";
import { STREAM_NOTIFICATIONS } from "../../../src/queues/names.ts";
import { signTag } from "../support/ledger.ts";
import { asOperator, seedTenant } from "../support/worker.ts";

/** Stream notifications from the Queue. */

const ACCOUNT = "f9f79265f388666de8122cfb508d7776";
const ledgers = createLedgers(env.LEDGER);
const now = () => Math.floor(Date.now() / 1000);
let uploads = 0;

beforeEach(async () => {
  await asOperator("PUT", "/upstreams/eu?check=false", { accountId: ACCOUNT, apiToken: "token" });
  await seedTenant("acme", { upstream: "eu" });
});

async function createUpload(upstream = "eu"): Promise<{ id: string; uid: string }> {
  const [id, uid] = [`upload-${++uploads}`, String(uploads).padStart(32, "0")];
  const ledger = env.LEDGER.getByName("acme");
  const size = { bytes: 5, seconds: 60 };
  await ledger.reserve({ id, version: 1e15, limits: {}, upstream, expires: now() + 1_800, ...size });
  await ledger.attach(id, uid, "https://upload.example/1");
  return { id, uid };
}

/** Like Cloudflare's samples: `id` instead of `uid`, and no `creator`. */
function notification({ id, uid }: { id: string; uid: string }, more: object = {}) {
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
  await worker.queue(batch, env, context);
  return { ...(await getQueueResult(batch, context)), retries: retries.map(({ mock }) => mock.calls) };
}

async function stateOf(id: string) {
  const found = await ledgers.find("acme", id);
  return found.ok ? found.value?.state : undefined;
}

describe("consumeStreamNotifications", () => {
  it("settles each upload and acknowledges each message", async () => {
    const [one, other] = [await createUpload(), await createUpload()];
    const failed = {
      id: other.uid,
      status: { state: "error", errReasonCode: "ERR_NON_VIDEO" },
      meta: { sluice: `acme/${other.id}` },
    };
    const result = await consume([
      notification(one),
      notification(other, { type: "cf.stream.video_state.updated", payload: failed }),
    ]);
    expect(result.explicitAcks).toEqual(["m0", "m1"]);
    expect(result.ackAll).toBe(false);
    expect(await stateOf(one.id)).toBe("ready");
    expect(await ledgers.find("acme", other.id)).toMatchObject({
      value: { state: "failed", failure: "ERR_NON_VIDEO" },
    });
  });

  it.each([
    ["nothing", null],
    ["text", "ready"],
    ["an event of another product", { type: "cf.r2.bucket.created", payload: {}, metadata: { accountId: ACCOUNT } }],
    ["not a video", notification({ id: "one", uid: "1" }, { payload: { id: "1" } })],
    ["of an unknown account", notification({ id: "one", uid: "1" }, { metadata: { accountId: "another" } })],
    ["of an unmanaged video", notification({ id: "nothing", uid: "1".repeat(32) })],
  ])("acknowledges a message that can never be recorded, and the next one: %s", async (_, body) => {
    const upload = await createUpload();
    const result = await consume([body, notification(upload)]);
    expect(result.explicitAcks).toEqual(["m0", "m1"]);
    expect(await stateOf(upload.id)).toBe("ready");
  });

  it("uses the only upstream for a message without an account, and none of several", async () => {
    const [one, other] = [await createUpload(), await createUpload()];
    await consume([notification(one, { metadata: undefined })]);
    expect(await stateOf(one.id)).toBe("ready");

    await asOperator("PUT", "/upstreams/us?check=false", { accountId: "another", apiToken: "token" });
    const result = await consume([notification(other, { metadata: undefined })]);
    expect(result.explicitAcks).toEqual(["m0"]);
    expect(await stateOf(other.id)).toBe("issued");
  });

  it("finds the upload on any upstream of the account", async () => {
    await asOperator("PUT", "/upstreams/a-first?check=false", { accountId: ACCOUNT, apiToken: "token" });
    await asOperator("PUT", "/upstreams/z-last?check=false", { accountId: ACCOUNT, apiToken: "token" });
    const upload = await createUpload("z-last");
    await consume([notification(upload)]);
    expect(await stateOf(upload.id)).toBe("ready");
  });

  it.each([
    ["of version 0.1", async (id: string) => ({ sluice: `acme/${id}` })],
    ["that was removed", async () => ({ name: "edited" })],
    ["that was edited", async () => ({ sluice: "nobody/one" })],
    ["that is signed", async (id: string) => ({ sluice: await signTag("acme", id) })],
  ])("settles an upload with a tag %s", async (_, metaOf) => {
    const upload = await createUpload();
    const payload = { id: upload.uid, status: { state: "ready" }, duration: 7, meta: await metaOf(upload.id) };
    expect((await consume([notification(upload, { payload })])).explicitAcks).toEqual(["m0"]);
    expect(await stateOf(upload.id)).toBe("ready");
  });

  it("settles an upload whose uid is not known by a signed tag only", async () => {
    const [id, uid] = [uuidv7(), "f".repeat(32)];
    const [size, expires] = [{ bytes: 5, seconds: 60 }, now() + 1_800];
    await env.LEDGER.getByName("acme").reserve({ id, version: 1e15, limits: {}, upstream: "eu", expires, ...size });
    const tagged = (sluice: string) => {
      const video = { id: uid, created: new Date().toISOString(), status: { state: "ready" }, meta: { sluice } };
      return notification({ id, uid }, { payload: video });
    };
    await consume([tagged(`acme/${id}`), tagged(`acme/${id}/${"A".repeat(16)}`)]);
    expect(await stateOf(id)).toBe("reserved");
    await consume([tagged(await signTag("acme", id))]);
    expect(await stateOf(id)).toBe("ready");
  });

  it("retries a message with growing delays while the registry fails", async () => {
    const upload = await createUpload();
    await env.DB.exec("DROP TABLE upstreams");
    const result = await consume([null, notification(upload)]);
    expect(result.explicitAcks).toEqual(["m0"]);
    expect(result.retryMessages).toEqual([{ msgId: "m1" }]);
    // After the third attempt.
    expect(result.retries).toEqual([[], [[{ delaySeconds: 120 }]]]);
    expect((await consume([notification(upload)], 20)).retries).toEqual([[[{ delaySeconds: 3_600 }]]]);
  });

  it("logs one line per message", async () => {
    const log = vi.spyOn(console, "log");
    const upload = await createUpload();
    await consume([notification(upload), null]);
    const lines = log.mock.calls.map(([line]) => JSON.parse(String(line)) as Record<string, unknown>);
    log.mockRestore();
    expect(lines.filter(({ method }) => method === "QUEUE")).toMatchObject([
      { requestId: "m0", route: STREAM_NOTIFICATIONS, status: 200, streamEvent: "recorded", tenant: "acme" },
      { requestId: "m1", route: STREAM_NOTIFICATIONS, status: 400, problem: "body_invalid" },
    ]);
  });
});
