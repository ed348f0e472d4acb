/**
 * `npm run soak [-- UPLOADS]`: many uploads of many tenants from creation to the last event, on the built Worker and the local
 * Stream, while some notifications are lost and some uploads stay unfinished. Afterwards ledger, Stream and delivered events must
 * agree, and memory must not have grown. Takes about six minutes; exits with 1 if anything differs.
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

const path = join(tmpdir(), `soak-${process.pid}.mp4`);
await makeVideo({ path, seconds: VIDEO_SECONDS });
const video = await readFile(path);
await rm(path);

const started = performance.now();
const unfinished = new Set<string>();
let next = 0;
async function uploader(): Promise<void> {
  for (let index = next++; index < UPLOADS; index = next++) {
    const tenant = tenants[index % TENANTS];
    if (!tenant) return;
    const headers = { ...bearer(tenant.key), "Upload-Length": String(video.byteLength) };
    const created = await create(harness.url, tenant.id, headers);
    if (created.status !== 201) throw new Error(`${created.status} ${await created.text()}`);
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

await Promise.all(Array.from({ length: CONCURRENCY }, uploader));
const loadSeconds = (performance.now() - started) / 1000;
say(`all uploads, ${Math.round(UPLOADS / loadSeconds)} a second; ${unfinished.size} of them unfinished`);

/** Distinct events; each upload has two. */
const deliveredEvents = () => new Set(receiver.received.map(({ id }) => id)).size;
const deadline = performance.now() + SETTLE_TIMEOUT_MS;
for (let polls = 1; deliveredEvents() < 2 * UPLOADS && performance.now() < deadline; polls++) {
  await sleep(POLL_MS);
  if (polls % POLLS_PER_LINE === 0) say("waiting for lost and unfinished uploads");
}
say("settled");

const { events, repeated, problems } = readEvents(receiver.received);
const differences = [...problems, ...memory.problems()];
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

if (listed !== UPLOADS) differences.push(`${listed} uploads are listed, expected ${UPLOADS}`);

console.log(
  `\n${UPLOADS} uploads of ${TENANTS} tenants in ${Math.round(loadSeconds)} s; ${unfinished.size} unfinished.`,
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
