import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT } from "../../src/cli/paths.ts";
import type { UploadState } from "../../src/core/uploads/rules/upload-state.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { OPERATOR_TOKEN, bearer, create, metadataHeader, settingsFor } from "../support/gateway.ts";

/** The gateway killed at random moments under a load of creations, and started again on the same data. */

const KILLS = 20;
const CLIENTS = 8;
/** Long enough for some dozens of creations. */
const MAX_LIFE_MS = 600;

let stream: LocalStream;
let statePath: string;
let gateway: { readonly child: ChildProcess; readonly url: string };

beforeAll(async () => {
  stream = await startLocalStream({ apiLimit: 1_000_000, storageSeconds: 1e9 });
  statePath = await mkdtemp(join(tmpdir(), "sluice-kill-"));
  gateway = await start();
});
afterAll(async () => {
  kill();
  await stream.close();
  await rm(statePath, { recursive: true, force: true });
});

async function start(): Promise<typeof gateway> {
  const settings = { ...settingsFor(stream), STREAM_CALLS_PER_WINDOW: "1000000" };
  const script = join(ROOT, "test", "support", "gateway-process.ts");
  // A group of its own, so that workerd can be killed with it.
  const child = spawn(process.execPath, [script, statePath, JSON.stringify(settings)], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8").once("data", (text: string) => resolve(text.trim()));
    child.once("exit", (code) => reject(new Error(`The gateway ended with ${code}.`)));
  });
  return { child, url };
}

function kill(): void {
  process.kill(-(gateway.child.pid ?? 0), "SIGKILL");
}

async function operator(method: string, path: string, body: unknown): Promise<Record<string, string>> {
  const headers = { ...bearer(OPERATOR_TOKEN), "Content-Type": "application/json" };
  const answer = await fetch(`${gateway.url}/admin/v1${path}`, { method, headers, body: JSON.stringify(body) });
  return (await answer.json()) as Record<string, string>;
}

async function read<T>(path: string, key: string): Promise<T> {
  const answer = await fetch(`${gateway.url}/v1/acme${path}`, { headers: bearer(key) });
  return (await answer.json()) as T;
}

interface Upload {
  readonly state: UploadState;
  readonly uid?: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly createdAt: string;
}

/** All of the tenant's uploads, page by page. */
async function listAll(key: string): Promise<Upload[]> {
  const uploads: Upload[] = [];
  let cursor: string | undefined;
  do {
    const query = cursor === undefined ? "" : `&cursor=${cursor}`;
    const page = await read<{ uploads: Upload[]; cursor?: string }>(`/uploads?limit=100${query}`, key);
    uploads.push(...page.uploads);
    ({ cursor } = page);
  } while (cursor !== undefined);
  return uploads;
}

interface Window {
  readonly since: string;
  readonly uploads: number;
  readonly bytes: number;
  readonly seconds: number;
}
interface Usage {
  readonly pending: number;
  readonly videos: number;
  readonly storedSeconds: number;
  readonly day: Window;
  readonly month: Window;
}

/** What the uploads count for, all of them live, in windows that begin when those do. */
function usageOf(uploads: readonly Upload[], { day, month }: Usage): Usage {
  const sum = (since: string): Window => {
    const counted = uploads.filter(({ createdAt }) => Date.parse(createdAt) >= Date.parse(since));
    return {
      since,
      uploads: counted.length,
      bytes: counted.reduce((total, { bytes }) => total + bytes, 0),
      seconds: counted.reduce((total, { seconds }) => total + seconds, 0),
    };
  };
  const storedSeconds = uploads.reduce((total, { seconds }) => total + seconds, 0);
  return { pending: uploads.length, videos: 0, storedSeconds, day: sum(day.since), month: sum(month.since) };
}

it("loses no upload that was acknowledged, and makes none twice", { timeout: 400_000 }, async () => {
  await operator("PUT", "/tenants/acme", {});
  const { key = "" } = await operator("POST", "/tenants/acme/keys", { name: "test" });
  const post = (name: string) =>
    create(gateway.url, "acme", {
      ...bearer(key),
      "Idempotency-Key": name,
      "Upload-Metadata": metadataHeader({ name }),
    });

  const sent: string[] = [];
  const acknowledged = new Map<string, string>();
  const load = { stopped: false };
  const client = async () => {
    while (!load.stopped) {
      const name = `creation-${sent.length}`;
      sent.push(name);
      const answer = await post(name).catch(() => undefined);
      const uid = answer?.status === 201 ? answer.headers.get("stream-media-id") : undefined;
      if (uid) acknowledged.set(name, uid);
    }
  };
  for (let round = 0; round < KILLS; round++) {
    load.stopped = false;
    const clients = Promise.all(Array.from({ length: CLIENTS }, client));
    await sleep(Math.random() * MAX_LIFE_MS);
    kill();
    load.stopped = true;
    await clients;
    gateway = await start();
  }
  const acknowledgedFirst = acknowledged.size;
  expect(acknowledgedFirst).toBeGreaterThan(KILLS);

  // Every creation is sent again: it is what it was, or in doubt, or made now for the first time.
  let inDoubt = 0;
  for (const name of sent) {
    const answer = await post(name);
    const before = acknowledged.get(name);
    if (before !== undefined) expect([name, answer.headers.get("stream-media-id")]).toEqual([name, before]);
    if (answer.status === 409) inDoubt++;
    else {
      expect(answer.status).toBe(201);
      acknowledged.set(name, answer.headers.get("stream-media-id") ?? "");
    }
  }
  const made = stream.videos().map(({ meta }) => meta["name"]);
  expect(new Set(made).size).toBe(made.length);

  const { usage } = await read<{ usage: Usage }>("/usage", key);
  const uploads = await listAll(key);
  expect(uploads).toHaveLength(sent.length);
  expect(uploads.filter(({ state }) => state === "reserved")).toHaveLength(inDoubt);
  const issued = uploads.filter(({ state }) => state === "issued").map(({ uid }) => uid);
  expect(new Set(issued)).toEqual(new Set(acknowledged.values()));
  expect(usage).toEqual(usageOf(uploads, usage));
  console.log(`${KILLS} kills, ${sent.length} creations, ${acknowledgedFirst} acknowledged, ${inDoubt} in doubt`);
});
