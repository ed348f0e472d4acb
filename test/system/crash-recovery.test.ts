import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { createHmac } from "node:crypto";
import { cp, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type Gateway, startGateway } from "../../src/cli/gateway.ts";
import type { UploadState } from "../../src/core/uploads/rules/upload-state.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { registerLocalWebhook } from "../../src/cli/local-webhook.ts";
import { compareCounters } from "../support/counters.ts";
import { tmpFolder, videoFile } from "../support/files.ts";
import { freePort } from "../support/free-port.ts";
import { settingsFor } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";
import { readLedgers } from "../support/ledgers.ts";
import { metadataHeader } from "../support/metadata.ts";
import { OPERATOR_TOKEN, operatorApi } from "../support/operator-api.ts";
import { type Receiver, startReceiver } from "../support/webhook-receiver.ts";

/**
 * The gateway's runtime is killed at random moments under a load of creations, uploads, cancellations, grants, events and sweeps, and
 * started again on the same data. In the middle, Stream is down: for two minutes with `npm run crash`.
 */

const KILLS = 20;
const CLIENTS = 8;
/** Between two kills. */
const MAX_CREATIONS = 50;
/** As long as a creation takes, so that a kill falls anywhere within one. */
const MAX_DELAY_MS = 10;
const DOWN_SECONDS = Number(process.env["STREAM_DOWN_SECONDS"] ?? 10);
const OUTAGE = [
  { on: "create", kind: "reset", probability: 1 },
  { on: "api", kind: "status", status: 503, probability: 1 },
] as const;
/** Of a client whose request failed. */
const FAILURE_PAUSE_MS = 500;

const statePath = tmpFolder();
let stream: LocalStream;
let gateway: Gateway | undefined;
/** The last child process of this one. */
let workerd: ChildProcess | undefined;
let url: string;
let port: number;
let webhookSecret: string;
let receiver: Receiver;
const video = videoFile({ seconds: 1 });

const onChildProcess = (message: unknown) => void ({ process: workerd } = message as { process: ChildProcess });

beforeAll(async () => {
  stream = await startLocalStream({ apiLimit: 1_000_000, storageSeconds: 1e9, maxQueued: 1_000_000, processingMs: 10 });
  await cp(inject("gatewayTemplate").statePath, statePath, { recursive: true });
  port = await freePort();
  webhookSecret = await registerLocalWebhook(stream, `http://127.0.0.1:${port}`);
  receiver = await startReceiver();
  subscribe("child_process", onChildProcess);
  await start();
});
afterAll(async () => {
  unsubscribe("child_process", onChildProcess);
  await gateway?.stop();
  await stream.close();
  await receiver.close();
});

async function start(): Promise<void> {
  const { workerOptions } = inject("gatewayTemplate");
  const secrets = { STREAM_WEBHOOK_SECRETS: webhookSecret };
  const settings = { ...settingsFor(stream), ...secrets, STREAM_CALLS_PER_WINDOW: "1000000" };
  gateway = await startGateway({ port, workerOptions, settings, statePath, onLog: () => {} });
  ({ url } = gateway);
}

function kill(): void {
  if (!workerd?.spawnfile.endsWith("workerd")) throw new Error(`${workerd?.spawnfile} is not workerd.`);
  workerd.kill("SIGKILL");
}

async function read<T>(path: string, key: string): Promise<T> {
  const answer = await fetch(`${url}/v1/acme${path}`, { headers: bearer(key) });
  return (await answer.json()) as T;
}

async function mint(key: string): Promise<string> {
  const headers = { ...bearer(key), "Content-Type": "application/json" };
  const answer = await fetch(`${url}/v1/acme/grants`, { method: "POST", headers, body: "{}" });
  const { grant } = (await answer.json()) as { grant?: string };
  if (grant === undefined) throw new Error(`No grant: ${answer.status}`);
  return grant;
}

async function upload(location: string, body: Uint8Array<ArrayBuffer>): Promise<boolean> {
  const headers = { "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream" };
  return (await fetch(location, { method: "PATCH", headers, body })).status === 204;
}

async function cancel(id: string, key: string): Promise<boolean> {
  return (await fetch(`${url}/v1/acme/uploads/${id}`, { method: "DELETE", headers: bearer(key) })).ok;
}

/** Sends a notification of Stream once more. */
async function notify(body: string): Promise<void> {
  const time = Math.floor(Date.now() / 1_000);
  const digest = createHmac("sha256", webhookSecret).update(`${time}.${body}`).digest("hex");
  const headers = { "Webhook-Signature": `time=${time},sig1=${digest}` };
  const answer = await fetch(`${url}/hooks/stream/default`, { method: "POST", headers, body });
  expect(answer.status).toBe(200);
}

interface Event {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly upload: { readonly uid?: string } };
}

/** All of the tenant's events, page by page. */
async function listEvents(): Promise<Event[]> {
  const events: Event[] = [];
  for (let cursor: string | undefined = ""; cursor !== undefined;) {
    const query = cursor === "" ? "" : `&cursor=${cursor}`;
    const path = `/admin/v1/tenants/acme/events?limit=100${query}`;
    const answer = await fetch(`${url}${path}`, { headers: bearer(OPERATOR_TOKEN) });
    const page = (await answer.json()) as { events: Event[]; cursor?: string };
    events.push(...page.events);
    ({ cursor } = page);
  }
  return events;
}

/** What is done with an upload after its creation. */
const KINDS = ["keep", "finish", "cancel", "by grant"] as const;

interface Item {
  readonly name: string;
  readonly kind: (typeof KINDS)[number];
  /** Of kind `by grant`, once the grant is known. */
  grant?: string;
  /** Once the creation is acknowledged. */
  uid?: string;
  id?: string;
  location?: string;
  /** The cancellation or the last byte is acknowledged. */
  isDone?: boolean;
}

describe("the gateway", () => {
  it("loses nothing that was acknowledged, and makes nothing twice", { timeout: 900_000 }, async () => {
    const operator = operatorApi(url);
    await operator("PUT", "/tenants/acme", {});
    const { key = "" } = await operator("POST", "/tenants/acme/keys", { name: "test" });
    const { secret = "" } = await operator("PUT", "/tenants/acme/endpoints/main", { url: receiver.url("acme") });
    receiver.trust("acme", secret);
    const bytes = await readFile(video);

    /** Does what is left to do of an item. Throws, or returns false, if it has to be repeated. */
    const advance = async (item: Item): Promise<boolean> => {
      if (item.kind === "by grant") item.grant ??= await mint(key);
      if (item.uid === undefined || item.kind === "keep" || item.kind === "by grant") {
        const metadata = { name: item.name, ...(item.grant && { grant: item.grant }) };
        const answer = await create(url, "acme", {
          ...(item.grant ? {} : { ...bearer(key), "Idempotency-Key": item.name }),
          "Upload-Length": String(bytes.byteLength),
          "Upload-Metadata": metadataHeader(metadata),
        });
        if (answer.status !== 201) return false;
        const uid = answer.headers.get("stream-media-id") ?? "";
        expect([item.name, uid]).toEqual([item.name, item.uid ?? uid]);
        item.uid = uid;
        item.id = answer.headers.get("sluice-upload-id") ?? "";
        item.location = answer.headers.get("location") ?? "";
      }
      if (item.kind === "finish" && !item.isDone) item.isDone = await upload(item.location ?? "", bytes);
      if (item.kind === "cancel" && !item.isDone) item.isDone = await cancel(item.id ?? "", key);
      return item.isDone ?? true;
    };

    const items: Item[] = [];
    const acknowledged = () => items.filter(({ uid }) => uid !== undefined).length;
    const load = { stopped: false };
    const client = async () => {
      while (!load.stopped) {
        const index = items.length;
        const item: Item = { name: `creation-${index}`, kind: KINDS[index % KINDS.length] ?? "keep" };
        items.push(item);
        const isDone = await advance(item).catch(() => false);
        if (!isDone) await sleep(FAILURE_PAUSE_MS);
      }
    };
    for (let round = 0; round < KILLS; round++) {
      load.stopped = false;
      const isOutage = round === KILLS / 2;
      if (isOutage) for (const fault of OUTAGE) stream.addFault(fault);
      const clients = Promise.all(Array.from({ length: CLIENTS }, client));
      const sweep = fetch(`${url}/admin/v1/upstreams/default/reconciliation`, {
        method: "POST",
        headers: bearer(OPERATOR_TOKEN),
      }).catch(() => undefined);
      if (isOutage) await sleep(DOWN_SECONDS * 1_000);
      else {
        const creations = acknowledged() + Math.floor(Math.random() * MAX_CREATIONS);
        do await sleep(Math.random() * MAX_DELAY_MS);
        while (acknowledged() < creations);
      }
      kill();
      load.stopped = true;
      await Promise.all([clients, sweep]);
      await gateway?.stop();
      if (isOutage) stream.clearFaults();
      await start();
    }
    const acknowledgedFirst = acknowledged();
    expect(acknowledgedFirst).toBeGreaterThan(KILLS);

    // Everything is sent again: it is what it was, or is made now, since no client has the URL of a lost creation.
    for (const item of items) await expect.poll(() => advance(item), { timeout: 60_000 }).toBe(true);
    const ofKind = (...kinds: readonly string[]) => items.filter(({ kind }) => kinds.includes(kind));
    const reachable = new Set(ofKind("keep", "finish", "by grant").map(({ uid }) => uid));
    expect(reachable.size).toBe(ofKind("keep", "finish", "by grant").length);

    // The videos of lost and cancelled creations are deleted, and no others.
    const made = () => new Set(stream.videos().map(({ uid }) => uid));
    await expect.poll(made, { timeout: 300_000, interval: 1_000 }).toEqual(reachable);

    // Stream sends the notifications again that the gateway missed while it was down.
    for (const { uid = "" } of ofKind("finish")) await stream.settled(uid);
    for (const { body } of stream.deliveries().filter(({ status }) => status !== 200)) await notify(body);
    for (const { uid } of ofKind("finish"))
      await expect.poll(async () => (await read<{ state: UploadState }>(`/uploads/${uid}`, key)).state).toBe("ready");

    // A killed local queue has lost what it held. The ledger has every event, and hands it over again within a quarter of an hour.
    const events = await listEvents();
    const delivered = () => new Set(receiver.received.map(({ id }) => id));
    await expect
      .poll(() => delivered().size, { timeout: 5_000 })
      .toBe(events.length)
      .catch(() => undefined);
    const lostMessages = events.filter(({ id }) => !delivered().has(id));
    for (const { id } of lostMessages) await operator("POST", `/tenants/acme/events/${id}/redeliver`, {});
    await expect.poll(() => delivered().size, { timeout: 60_000 }).toBe(events.length);
    expect(receiver.received.every(({ verifiedBy }) => verifiedBy.length > 0)).toBe(true);
    const typesOf = (uid = "") => events.filter(({ data }) => data.upload.uid === uid).map(({ type }) => type);
    for (const { uid } of ofKind("finish")) expect(typesOf(uid).toSorted()).toEqual(["upload.created", "upload.ready"]);
    for (const { uid } of ofKind("cancel"))
      expect(typesOf(uid).toSorted()).toEqual(["upload.cancelled", "upload.created"]);

    const ledgers = async () => {
      await gateway?.stop();
      return readLedgers(statePath);
    };
    expect(await compareCounters({ url, ledgers }, { acme: key })).toEqual([]);
    console.log(
      `${KILLS} kills, Stream down for ${DOWN_SECONDS} s, ${items.length} creations, ${acknowledgedFirst} acknowledged; ` +
        `${events.length} events, ${lostMessages.length} lost by the queue`,
    );
  });
});
