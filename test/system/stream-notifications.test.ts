import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createStreamClient, sendFile } from "../../src/local-stream/client.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";
import { signTag } from "../support/sign-tag.ts";
import { metadataHeader } from "../support/metadata.ts";
import { videoFile } from "../support/files.ts";

/** Stream's notifications of real uploads to the built Worker, delivered or lost. */

const SECONDS = 3;
const HOUR_MS = 3_600_000;

const videoPath = videoFile({ seconds: SECONDS });
let harness: TestGateway;
let video: Buffer;
let tenants = 0;

beforeAll(async () => {
  harness = await startTestGateway();
  video = await readFile(videoPath);
});
afterAll(() => harness.stop());
afterEach(() => harness.stream.clearFaults());

/** A separate tenant for each test, since tests compare its usage. */
async function tenant(): Promise<{ id: string; key: string }> {
  const id = `tenant-${++tenants}`;
  return { id, key: await harness.tenant(id) };
}

/** Creates an upload and sends the file. @returns its uid once Stream has processed it */
async function upload({ id, key }: { id: string; key: string }, file: Buffer = video): Promise<string> {
  const metadata = metadataHeader({ name: "cats", maxdurationseconds: "60" });
  const headers = { ...bearer(key), "Upload-Length": String(file.byteLength), "Upload-Metadata": metadata };
  const created = await create(harness.url, id, headers);
  expect(created.status).toBe(201);
  await sendFile(created.headers.get("location") ?? "", file);
  const uid = created.headers.get("stream-media-id") ?? "";
  await harness.stream.settled(uid);
  return uid;
}

interface Usage {
  readonly pending: number;
  readonly storedSeconds: number;
}

async function usage({ id, key }: { id: string; key: string }): Promise<Usage> {
  const answer = await fetch(`${harness.url}/v1/${id}/usage`, { headers: bearer(key) });
  const { pending, storedSeconds } = ((await answer.json()) as { usage: Usage }).usage;
  return { pending, storedSeconds };
}

const READY: Usage = { pending: 0, storedSeconds: SECONDS };
const WAITING: Usage = { pending: 1, storedSeconds: 60 };

async function deliveriesOf(uid: string, count: number) {
  const deliveries = () => harness.stream.deliveries().filter((one) => one.uid === uid && one.status !== null);
  await expect.poll(() => deliveries().length, { timeout: 10_000 }).toBe(count);
  return deliveries();
}

/** Sends a notification signed like Stream's. */
async function send(body: string): Promise<number> {
  const { result } = await createStreamClient(harness.stream).api<{ secret: string }>("GET", "/webhook");
  const time = Math.floor(Date.now() / 1000);
  const mac = createHmac("sha256", result.secret).update(`${time}.${body}`).digest("hex");
  const headers = { "Webhook-Signature": `time=${time},sig1=${mac}` };
  return (await fetch(`${harness.url}/hooks/stream/default`, { method: "POST", headers, body })).status;
}

/** The current description of a video at Stream. */
async function notificationOf(uid: string): Promise<string> {
  return JSON.stringify((await createStreamClient(harness.stream).api("GET", `/${uid}`)).result);
}

async function reconcile(): Promise<Record<"run" | "finished" | "failure", Record<string, unknown> | undefined>> {
  return (await harness.operator("POST", "/upstreams/default/reconciliation")) as never;
}

/** Runs `work` with Stream's clock an hour back, so that its videos are old enough to be reconciled. */
async function anHourAgo<T>(work: () => Promise<T>): Promise<T> {
  harness.stream.advance(-HOUR_MS);
  try {
    return await work();
  } finally {
    harness.stream.advance(HOUR_MS);
  }
}

const lose = (times = 1) => harness.stream.addFault({ on: "webhook", kind: "lose", times });

describe("POST /hooks/stream/:upstream", () => {
  it("settles an upload with its real duration", async () => {
    const acme = await tenant();
    const uid = await upload(acme);
    expect((await deliveriesOf(uid, 1)).map(({ status }) => status)).toEqual([200]);
    expect(await usage(acme)).toEqual(READY);
  });

  it("settles a failed upload and releases its reservation", async () => {
    const acme = await tenant();
    const uid = await upload(acme, Buffer.from("not a video"));
    expect((await deliveriesOf(uid, 1)).map(({ status }) => status)).toEqual([200]);
    expect(await usage(acme)).toEqual({ pending: 0, storedSeconds: 0 });
  });

  it("accepts a repeated notification", async () => {
    const acme = await tenant();
    harness.stream.addFault({ on: "webhook", kind: "repeat" });
    const uid = await upload(acme);
    expect((await deliveriesOf(uid, 2)).map(({ status }) => status)).toEqual([200, 200]);
    expect(await usage(acme)).toEqual(READY);
  });

  it("accepts late notifications in another order", async () => {
    const acme = await tenant();
    lose(2);
    const uids = [await upload(acme), await upload(acme)];
    expect(await usage(acme)).toEqual({ pending: 2, storedSeconds: 120 });
    for (const uid of uids.toReversed()) expect(await send(await notificationOf(uid))).toBe(200);
    expect(await usage(acme)).toEqual({ pending: 0, storedSeconds: 2 * SECONDS });
    // A notification from before the video was ready changes nothing.
    const [uid = ""] = uids;
    const early = {
      ...(JSON.parse(await notificationOf(uid)) as object),
      status: { state: "inprogress" },
      duration: -1,
    };
    expect(await send(JSON.stringify(early))).toBe(200);
    expect(await usage(acme)).toEqual({ pending: 0, storedSeconds: 2 * SECONDS });
  });

  it("reads the video from Stream once when the notification has no meta", async () => {
    const acme = await tenant();
    lose();
    const uid = await upload(acme);
    const { meta: _, ...bare } = JSON.parse(await notificationOf(uid)) as Record<string, unknown>;
    harness.stream.clearRequests();
    expect(await send(JSON.stringify(bare))).toBe(200);
    const reads = harness.stream.requests().filter(({ method, url }) => method === "GET" && url.endsWith(uid));
    expect(reads).toHaveLength(1);
    expect(await usage(acme)).toEqual(READY);
  });

  it("acknowledges and logs the notification of an unmanaged video", async () => {
    const acme = await tenant();
    const uid = await createStreamClient(harness.stream).upload(video, { name: "from the dashboard" });
    expect((await deliveriesOf(uid, 1)).map(({ status }) => status)).toEqual([200]);
    const lines = harness.log.filter((line) => line.includes(uid)).map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([{ streamEvent: "unmanaged", status: 200, route: "/hooks/stream/:upstream" }]);
    expect(await usage(acme)).toEqual({ pending: 0, storedSeconds: 0 });
  });

  it("returns 403 when the signature is missing or forged", async () => {
    const acme = await tenant();
    lose();
    const uid = await upload(acme);
    const body = await notificationOf(uid);
    const time = Math.floor(Date.now() / 1000);
    const forged = createHmac("sha256", "").update(`${time}.${body}`).digest("hex");
    for (const headers of [{}, { "Webhook-Signature": `time=${time},sig1=${forged}` }]) {
      const answer = await fetch(`${harness.url}/hooks/stream/default`, { method: "POST", headers, body });
      expect(answer.status).toBe(403);
    }
    expect(await usage(acme)).toEqual(WAITING);
  });
});

describe("DELETE /v1/:tenant/uploads/:id", () => {
  it("deletes the video when the cancellation comes just before or after the ready notification", async () => {
    const acme = await tenant();
    await harness.operator("PUT", `/tenants/${acme.id}/endpoints/main`, { url: "http://127.0.0.1:9/" });
    const path = `${harness.url}/v1/${acme.id}/uploads`;
    const uids: string[] = [];
    for (let round = -10; round < 10; round++) {
      lose();
      const uid = await upload(acme);
      uids.push(uid);
      const notification = await notificationOf(uid);
      // The video is deleted some time after the ledger has recorded the cancellation.
      harness.stream.addFault({ on: "api", kind: "latency", milliseconds: 50 });
      const [cancelled, notified] = await Promise.all([
        sleep(Math.max(0, round) * 8).then(() =>
          fetch(`${path}/${uid}`, { method: "DELETE", headers: bearer(acme.key) }),
        ),
        sleep(Math.max(0, -round) * 8).then(() => send(notification)),
      ]);
      expect([cancelled.status, notified]).toEqual([200, 200]);
    }

    expect(await usage(acme)).toEqual({ pending: 0, storedSeconds: 0 });
    const remaining = harness.stream.videos().map(({ uid }) => uid);
    expect(remaining.filter((uid) => uids.includes(uid))).toEqual([]);
    const page = await harness.operator("GET", `/tenants/${acme.id}/events?limit=100`);
    const { events } = page as unknown as { events: { type: string; data: { upload: { uid: string } } }[] };
    for (const uid of uids) {
      const { state } = (await (await fetch(`${path}/${uid}`, { headers: bearer(acme.key) })).json()) as {
        state: string;
      };
      expect(["cancelled", "deleted"]).toContain(state);
      const types = events.filter(({ data }) => data.upload.uid === uid).map(({ type }) => type.replace("upload.", ""));
      expect(new Set(types).size).toBe(types.length);
      expect(types[0]).toBe(state);
      expect(["ready", "cancelled", "deleted"]).toEqual(expect.arrayContaining(types.slice(0, -1)));
      expect(types.at(-1)).toBe("created");
    }
  });
});

describe("POST /admin/v1/upstreams/:id/reconciliation", () => {
  it("settles uploads whose notifications were lost", async () => {
    const acme = await tenant();
    lose();
    await anHourAgo(() => upload(acme));
    expect(await usage(acme)).toEqual(WAITING);
    const { run, finished } = await reconcile();
    expect(run).toMatchObject({ outcome: "finished" });
    expect(finished?.["settled"]).toBe(1);
    expect(await usage(acme)).toEqual(READY);
  });

  it("imports a tenant's video that its ledger does not have", async () => {
    const acme = await tenant();
    lose();
    const client = createStreamClient(harness.stream);
    const sluice = signTag(harness.stream, acme.id, uuidv7({ msecs: Date.now() - HOUR_MS }));
    const uid = await anHourAgo(() => client.upload(video, { sluice, name: "restored" }));
    await harness.stream.settled(uid);
    expect((await reconcile()).finished?.["imported"]).toBe(1);
    expect(await usage(acme)).toEqual(READY);
    // The same tag on a video of another time.
    lose();
    const copy = await client.upload(video, { sluice });
    await harness.stream.settled(copy);
    expect((await reconcile()).finished?.["imported"]).toBe(0);
    expect(await usage(acme)).toEqual(READY);
  });

  it("imports no video that was made elsewhere with a tenant's name in its tag", async () => {
    const acme = await tenant();
    const before = (await reconcile()).finished?.["unmanaged"];
    const id = uuidv7({ msecs: Date.now() - HOUR_MS });
    const mac = signTag(harness.stream, "other", id).split("/").at(-1);
    const client = createStreamClient(harness.stream);
    for (const sluice of [`${acme.id}/${id}`, `${acme.id}/${id}/${mac}`]) {
      lose();
      await harness.stream.settled(await anHourAgo(() => client.upload(video, { sluice })));
    }
    const { finished } = await reconcile();
    expect(finished).toMatchObject({ imported: 0, unmanaged: Number(before) + 2 });
    expect(await usage(acme)).toEqual({ pending: 0, storedSeconds: 0 });
  });

  it("settles an upload whose meta was edited at Stream", async () => {
    const acme = await tenant();
    lose();
    const uid = await upload(acme);
    const { meta: _, ...edited } = JSON.parse(await notificationOf(uid)) as Record<string, unknown>;
    expect(await send(JSON.stringify({ ...edited, meta: { name: "edited" } }))).toBe(200);
    expect(await usage(acme)).toEqual(READY);
  });

  it("fails while Stream is down, and succeeds afterwards", async () => {
    const acme = await tenant();
    lose();
    await anHourAgo(() => upload(acme));
    harness.stream.addFault({ on: "api", kind: "refuse", as: "unavailable", times: 2 });
    expect((await reconcile()).run).toMatchObject({ outcome: "failed", pages: 0 });
    harness.stream.addFault({ on: "api", kind: "reset", times: 2 });
    const down = await reconcile();
    expect(down.run).toMatchObject({ outcome: "failed", pages: 0 });
    expect(down.failure?.["reason"]).toContain("Stream");
    expect(await usage(acme)).toEqual(WAITING);
    expect((await reconcile()).run).toMatchObject({ outcome: "finished", settled: 1 });
    expect(await usage(acme)).toEqual(READY);
  });

  it("leaves new videos to a later sweep", async () => {
    const acme = await tenant();
    lose();
    await upload(acme);
    expect((await reconcile()).run).toMatchObject({ outcome: "finished", settled: 0 });
    expect(await usage(acme)).toEqual(WAITING);
  });
});
