/**
 * `npm run soak [-- UPLOADS]`: many uploads of many tenants from creation to the last event, on the built Worker and the local
 * Stream, while some notifications are lost and some uploads stay unfinished. Afterwards ledger, Stream and delivered events must
 * agree, and memory must not have grown. Takes about eight minutes; exits with 1 if anything differs.
 */
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeVideo } from "../../src/local-stream/make-video.ts";
import { startTestGateway } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";
import { createGatewayTemplate } from "../support/gateway-template.ts";
import { startReceiver } from "../support/webhook-receiver.ts";
import { compare, listUploads, readEvents } from "./compare.ts";
import { watchMemory } from "./memory.ts";

const UPLOADS = Number(process.argv[2] ?? 10_000);
const TENANTS = 50;
const LOST_NOTIFICATIONS = 0.05;
const UNFINISHED = 0.02;
/** Creations whose answer from Stream is lost. The client repeats every second one. */
const LOST_CREATIONS = 0.02;
/** Most seconds that an upload without a live URL may hold a pending slot, at any moment. */
const MAX_STUCK_SECONDS = 120;
const WATCH_MS = 2_000;
/** Concurrent uploads. */
const CONCURRENCY = 16;
const VIDEO_SECONDS = 3;
/** After the last upload: URLs live two minutes, and ledgers look up their videos a minute later, 20 at a time. */
const SETTLE_TIMEOUT_MS = 15 * 60_000;
const POLL_MS = 2_000;
const POLLS_PER_LINE = 15;

const POLICY = { metadata: { maxdurationseconds: { default: 60 }, expiry: { force: "PT2M" } } };

const template = await createGatewayTemplate();
const harness = await startTestGateway(
  { STREAM_CALLS_PER_WINDOW: "1000000" },
  { apiLimit: 1_000_000, maxQueued: 1_000_000, storageSeconds: 1_000_000_000, processingMs: 10 },
  template,
);
const receiver = await startReceiver();
const memory = watchMemory();

const tenants: { readonly id: string; readonly key: string }[] = [];
for (let index = 0; index < TENANTS; index++) {
  const id = `tenant-${index}`;
  const key = await harness.tenant(id, { policy: POLICY });
  const endpoint = await harness.operator("PUT", `/tenants/${id}/endpoints/soak`, { url: receiver.url(id) });
  receiver.trust(id, endpoint["secret"] ?? "");
  tenants.push({ id, key });
}
harness.stream.addFault({ on: "webhook", kind: "lose", probability: LOST_NOTIFICATIONS });
harness.stream.addFault({ on: "create", kind: "reset-after", probability: LOST_CREATIONS });

const path = join(tmpdir(), `soak-${process.pid}.mp4`);
await makeVideo({ path, seconds: VIDEO_SECONDS });
const video = await readFile(path);
await rm(path);

const started = performance.now();
const unfinished = new Set<string>();
let next = 0;
/** Creations whose answer was lost, and those of them that were not repeated. */
let [lost, given] = [0, 0];
async function createUntilAnswered(tenant: (typeof tenants)[number], index: number): Promise<Response | undefined> {
  const headers = {
    ...bearer(tenant.key),
    "Idempotency-Key": `upload-${index}`,
    "Upload-Length": String(video.byteLength),
  };
  for (;;) {
    const created = await create(harness.url, tenant.id, headers);
    if (created.status === 201) return created;
    if (created.status !== 502) throw new Error(`${created.status} ${await created.text()}`);
    await created.body?.cancel();
    if (++lost % 2 === 0) continue;
    given++;
    return undefined;
  }
}

async function uploader(): Promise<void> {
  for (let index = next++; index < UPLOADS; index = next++) {
    const tenant = tenants[index % TENANTS];
    if (!tenant) return;
    const created = await createUntilAnswered(tenant, index);
    if (!created) continue;
    // Evenly spread, so that each run has the same number.
    if (Math.floor((index + 1) * UNFINISHED) > Math.floor(index * UNFINISHED))
      unfinished.add(created.headers.get("sluice-upload-id") ?? "");
    else await upload(created.headers.get("location") ?? "");
    if ((index + 1) % (UPLOADS / 10) === 0) say(`${index + 1} uploads`);
  }
}

async function upload(location: string): Promise<void> {
  const headers = { "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream" };
  const answer = await fetch(location, { method: "PATCH", headers, body: video });
  if (answer.status !== 204) throw new Error(`PATCH: ${answer.status} ${await answer.text()}`);
}

function say(what: string): void {
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(
    `${String(seconds).padStart(4)} s  ${what}; ${receiver.received.length} deliveries; ${memory.describe()}`,
  );
}

/** Watches, until the end, for uploads that hold a pending slot without a live URL. */
const stuck: string[] = [];
const watching = { stopped: false };
async function watch(): Promise<void> {
  while (!watching.stopped) {
    await sleep(WATCH_MS);
    for (const tenant of tenants)
      for (const state of ["reserved", "unknown", "issued"])
        for (const { id, createdAt, expiresAt } of await listUploads(harness.url, tenant, `&state=${state}`)) {
          const since = Date.parse((state === "issued" && expiresAt) || createdAt);
          const seconds = Math.round((Date.now() - since) / 1000);
          if (seconds > MAX_STUCK_SECONDS)
            stuck.push(`${tenant.id} ${id}: ${state} for ${seconds} s without a live URL`);
        }
  }
}
const watcher = watch();

await Promise.all(Array.from({ length: CONCURRENCY }, uploader));
const loadSeconds = (performance.now() - started) / 1000;
say(`all uploads, ${Math.round(UPLOADS / loadSeconds)} a second; ${unfinished.size} of them unfinished`);

/** Distinct events; each upload that was created has two. */
const deliveredEvents = () => new Set(receiver.received.map(({ id }) => id)).size;
const isSettled = () => deliveredEvents() >= 2 * (UPLOADS - given) && performance.now() > settledAt;
/** Lost creations are searched for, and deleted, within three minutes. */
const settledAt = performance.now() + 180_000;
const deadline = performance.now() + SETTLE_TIMEOUT_MS;
for (let polls = 1; !isSettled() && performance.now() < deadline; polls++) {
  await sleep(POLL_MS);
  if (polls % POLLS_PER_LINE === 0) say("waiting for lost and unfinished uploads");
}
say("settled");

watching.stopped = true;
await watcher;

const { events, repeated, problems } = readEvents(receiver.received);
const differences = [...problems, ...memory.problems(), ...stuck];
let listed = 0;
for (const tenant of tenants) {
  const uploads = await listUploads(harness.url, tenant);
  listed += uploads.length;
  differences.push(...compare(tenant.id, uploads, harness.stream.videos(), events, unfinished));
  const usage = (await (
    await fetch(`${harness.url}/v1/${tenant.id}/usage`, { headers: bearer(tenant.key) })
  ).json()) as { usage: { pending: number; videos: number } };
  const ready = uploads.filter(({ state }) => state === "ready").length;
  if (usage.usage.pending !== 0 || usage.usage.videos !== ready)
    differences.push(`${tenant.id}: usage ${JSON.stringify(usage.usage)}, ready ${ready}`);
}

const expected = UPLOADS - given + lost;
if (listed !== expected) differences.push(`${listed} uploads are listed, expected ${expected}`);

console.log(
  `\n${UPLOADS} uploads of ${TENANTS} tenants in ${Math.round(loadSeconds)} s; ${unfinished.size} unfinished.`,
);
console.log(
  `Of ${lost} creations the answer was lost; ${given} were not repeated. Stuck for over ${MAX_STUCK_SECONDS} s: ${stuck.length}.`,
);
console.log(
  `Stream lost ${LOST_NOTIFICATIONS * 100} % of its notifications; tenants received ${events.size} events, ${repeated} repeated.`,
);
console.log(`Memory of workerd: ${memory.describe()}.`);
for (const difference of differences.slice(0, 20)) console.log(difference);
console.log(differences.length === 0 ? "Ledger, Stream and deliveries agree." : `${differences.length} differences.`);

memory.stop();
await receiver.close();
await harness.stop();
await rm(template.statePath, { recursive: true });
process.exit(differences.length === 0 ? 0 : 1);
