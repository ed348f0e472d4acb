import { createExecutionContext, createMessageBatch, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import worker from "../../../src/index.ts";
import { STREAM_NOTIFICATIONS } from "../../../src/queues/names.ts";
import { acme, as, create, documentOf, resetAcme } from "../support/acme.ts";
import { signedByStream, stream, stubResponse } from "../support/local-stream-fixture.ts";
import { expectLedgerConsistent } from "../support/ledger.ts";
import { asOperator, request } from "../support/worker.ts";

/** What Stream says is input: reports that once broke an event, a sweep, an alarm or the totals for good. */

resetAcme();
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const ledger = () => env.LEDGER.getByName("acme");
/** Thirty times what `JSON.stringify` and RPC calls can take. */
const LEVELS = 20_000;
const DEEP = `${"[".repeat(LEVELS)}${"]".repeat(LEVELS)}`;

/** Stream's description of a video. @param meta JSON of a further member of `meta` */
async function describeVideo(uid: string, more: object = {}, meta = "1"): Promise<string> {
  const { apiBase, accountId, token } = stream;
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await fetch(`${apiBase}/accounts/${accountId}/stream/${uid}`, { headers });
  const { result } = await answer.json<{ result: { meta: object } }>();
  const ready = { status: { state: "ready" }, duration: 4, size: 5 };
  return JSON.stringify({ ...result, ...ready, ...more, meta: { ...result.meta, more: "?" } }).replace('"?"', meta);
}

async function notify(body: string): Promise<Response> {
  return request("POST", "/hooks/stream/live", { headers: await signedByStream(body), body });
}

/** Sweeps at a time when today's videos are old enough. */
async function sweep() {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 1_000_000 });
  const swept = await asOperator("POST", "/upstreams/live/reconciliation");
  return swept.json<Record<"run" | "finished", Record<string, unknown>>>();
}

describe("a report that nests too deep", () => {
  it("is recorded by the webhook without the member that does, and logged", async () => {
    const { id, uid } = await create(acme.key);
    const log = vi.spyOn(console, "log");
    expect((await notify(await describeVideo(uid, {}, DEEP))).status).toBe(200);
    const lines = log.mock.calls.map(([line]) => JSON.parse(String(line)) as Record<string, unknown>);
    expect(lines.at(-1)).toMatchObject({ streamEvent: "recorded", tenant: "acme", uid, tooDeep: true });
    expect(await documentOf(id)).toMatchObject({ state: "ready", seconds: 4, bytes: 5 });
    await expectLedgerConsistent(ledger());
  });

  it.each(["[", '{"a":', '[{"a":['])("is recorded whatever nests: %j", async (open) => {
    const { id, uid } = await create(acme.key);
    const levels = open.repeat(5_000);
    const closing = Array.from(levels, (bracket) => ({ "[": "]", "{": "}" })[bracket] ?? "");
    const json = `${levels}1${closing.toReversed().join("")}`;
    expect((await notify(await describeVideo(uid, {}, json))).status).toBe(200);
    expect(await documentOf(id)).toMatchObject({ state: "ready" });
  });

  it("neither holds its batch in the queue nor returns to it", async () => {
    const uploads = [await create(acme.key), await create(acme.key), await create(acme.key)];
    const bodies = await Promise.all(
      uploads.map(async ({ uid }, index) => ({
        type: "cf.stream.video_state.ready",
        payload: JSON.parse(await describeVideo(uid, {}, index === 0 ? DEEP : "1")) as unknown,
        metadata: { accountId: stream.accountId },
      })),
    );
    // A message of a batch in a test is copied, which the depth would break.
    const poison = bodies.shift();
    const broken = {
      get type(): string {
        throw new Error("broken");
      },
    };
    const message = (body: unknown, id: string) => ({ id, timestamp: new Date(), attempts: 1, body: body ?? null });
    const batch = createMessageBatch(
      STREAM_NOTIFICATIONS,
      bodies.map((body, index) => message(body, `m${index}`)),
    );
    const acknowledged: string[] = [];
    const messages = [message(poison, "poison"), message(broken, "broken"), ...batch.messages].map((one) => ({
      ...message(one.body, one.id),
      ack: () => void acknowledged.push(one.id),
      retry: () => void acknowledged.push(`again: ${one.id}`),
    }));
    await worker.queue({ ...batch, queue: STREAM_NOTIFICATIONS, messages }, env, createExecutionContext());
    expect(acknowledged).toEqual(["poison", "again: broken", "m0", "m1"]);
    for (const { id } of uploads) expect(await documentOf(id)).toMatchObject({ state: "ready" });
  });

  it("is settled by the alarm", async () => {
    const { id, uid } = await create(acme.key);
    const video = await describeVideo(uid, {}, DEEP);
    await runInDurableObject(ledger(), (_, { storage }) => storage.sql.exec("UPDATE uploads SET due = 1").toArray());
    await stubResponse(200, `{"success":true,"result":${video}}`);
    await runDurableObjectAlarm(ledger());
    expect(await documentOf(id)).toMatchObject({ state: "ready", seconds: 4 });
  });

  it("is shown without the member that does", async () => {
    const { id, uid } = await create(acme.key);
    await stubResponse(200, `{"success":true,"result":${await describeVideo(uid, {}, DEEP)}}`);
    const shown = await as(acme.key, "GET", `/uploads/${id}?view=stream`);
    expect(shown.status).toBe(200);
    const { video } = await shown.json<{ video: object }>();
    expect(video).toMatchObject({ uid, duration: 4 });
    expect(video).not.toHaveProperty("meta");
  });

  it("does not stop a sweep, which settles, counts and names it", async () => {
    const [one, other] = [await create(acme.key), await create(acme.key)];
    const videos = [await describeVideo(one.uid, {}, DEEP), await describeVideo(other.uid)];
    await stubResponse(200, `{"success":true,"result":[${videos.join()}]}`);
    const { run, finished } = await sweep();
    expect(run).toMatchObject({ outcome: "finished" });
    expect(finished).toMatchObject({ videos: 2, settled: 2, skipped: 1, skippedUids: [one.uid] });
    for (const { id } of [one, other]) expect(await documentOf(id)).toMatchObject({ state: "ready" });
    await expectLedgerConsistent(ledger());
  });
});

describe("a page of the sweep", () => {
  it("that is too large to read is read in smaller pages", async () => {
    const { id, uid } = await create(acme.key);
    const video = await describeVideo(uid);
    const large = `{"success":true,"result":[${video}]}${" ".repeat(8 * 1024 * 1024)}`;
    for (let count = 0; count < 3; count++) await stubResponse(200, large);
    await stubResponse(200, `{"success":true,"result":[${video}]}`);
    expect((await sweep()).finished).toMatchObject({ videos: 1, settled: 1, skipped: 0 });
    expect(await documentOf(id)).toMatchObject({ state: "ready" });
  });

  it("is compared although some of it is no video", async () => {
    const { id, uid } = await create(acme.key);
    const created = new Date().toISOString();
    const odd = [{ uid: "../../tokens", created }, { uid: "0".repeat(32), status: "ready" }, null, [], "text"];
    const items = [...odd.map((item) => JSON.stringify(item)), await describeVideo(uid)];
    await stubResponse(200, `{"success":true,"result":[${items.join()}]}`);
    expect((await sweep()).finished).toMatchObject({
      videos: 6,
      settled: 1,
      skipped: 5,
      skippedUids: ["../../tokens", "0".repeat(32), "unknown", "unknown", "unknown"],
    });
    expect(await documentOf(id)).toMatchObject({ state: "ready" });
  });
});

describe("a report with a number that no video can have", () => {
  it.each([
    ["duration", "1e300"],
    ["duration", "1e999"],
    ["duration", "360000.001"],
    ["duration", "-1e300"],
    ["duration", '"12"'],
    ["duration", "[4]"],
    ["size", "1e300"],
    ["size", "300000000001"],
    ["size", "-5"],
    ["size", "0.1"],
  ])("counts its state, and not the number: %s %s", async (name, value) => {
    const { id, uid } = await create(acme.key);
    const body = (await describeVideo(uid, { [name]: "?" })).replace('"?"', value);
    const before = await documentOf(id);
    expect((await notify(body)).status).toBe(200);
    const { seconds } = before as { seconds: number };
    const size = { seconds: name === "duration" ? seconds : 4, bytes: 5 };
    expect(await documentOf(id)).toMatchObject({ state: "ready", ...size });
    expect(await ledger().usage()).toMatchObject({ pending: 0, storedSeconds: size.seconds });
    // As a list does, which the gateway imports from.
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 1_000_000 });
    await stubResponse(200, `{"success":true,"result":[${body}]}`);
    expect((await asOperator("POST", "/upstreams/live/reconciliation")).status).toBe(200);
    expect(await ledger().usage()).toMatchObject({ storedSeconds: size.seconds });

    expect((await as(acme.key, "DELETE", `/uploads/${id}`)).status).toBe(200);
    expect(await ledger().usage()).toMatchObject({ pending: 0, videos: 0, storedSeconds: 0 });
    await expectLedgerConsistent(ledger());
  });
});
