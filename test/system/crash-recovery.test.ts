import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { cp } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type Gateway, startGateway } from "../../src/cli/gateway.ts";
import type { UploadState } from "../../src/core/uploads/rules/upload-state.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { tmpFolder } from "../support/files.ts";
import { settingsFor } from "../support/gateway.ts";
import { bearer, create } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";
import { operatorApi } from "../support/operator-api.ts";

/** The gateway's runtime is killed at random moments under a load of creations, and started again on the same data. */

const KILLS = 20;
const CLIENTS = 8;
/** Between two kills. */
const MAX_CREATIONS = 50;
/** As long as a creation takes, so that a kill falls anywhere within one. */
const MAX_DELAY_MS = 10;

const statePath = tmpFolder();
let stream: LocalStream;
let gateway: Gateway | undefined;
/** The last child process of this one. */
let workerd: ChildProcess | undefined;
let url: string;

const onChildProcess = (message: unknown) => void ({ process: workerd } = message as { process: ChildProcess });

beforeAll(async () => {
  stream = await startLocalStream({ apiLimit: 1_000_000, storageSeconds: 1e9 });
  await cp(inject("gatewayTemplate").statePath, statePath, { recursive: true });
  subscribe("child_process", onChildProcess);
  await start();
});
afterAll(async () => {
  unsubscribe("child_process", onChildProcess);
  await gateway?.stop();
  await stream.close();
});

async function start(): Promise<void> {
  const { workerOptions } = inject("gatewayTemplate");
  const settings = { ...settingsFor(stream), STREAM_CALLS_PER_WINDOW: "1000000" };
  gateway = await startGateway({ port: 0, workerOptions, settings, statePath, onLog: () => {} });
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

describe("the gateway", () => {
  it("loses no upload that was acknowledged, and makes none twice", { timeout: 400_000 }, async () => {
    const operator = operatorApi(url);
    await operator("PUT", "/tenants/acme", {});
    const { key = "" } = await operator("POST", "/tenants/acme/keys", { name: "test" });
    const post = (name: string) =>
      create(url, "acme", {
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
      const creations = acknowledged.size + Math.floor(Math.random() * MAX_CREATIONS);
      do await sleep(Math.random() * MAX_DELAY_MS);
      while (acknowledged.size < creations);
      kill();
      load.stopped = true;
      await clients;
      await gateway?.stop();
      await start();
    }
    const acknowledgedFirst = acknowledged.size;
    expect(acknowledgedFirst).toBeGreaterThan(KILLS);

    // Every creation is sent again: it is what it was, or is made now, since no client has the URL of a lost one.
    for (const name of sent) {
      let answer = await post(name);
      while (answer.status === 409) answer = await post(name);
      expect(answer.status).toBe(201);
      const uid = answer.headers.get("stream-media-id") ?? "";
      expect([name, uid]).toEqual([name, acknowledged.get(name) ?? uid]);
      acknowledged.set(name, uid);
    }
    const reachable = new Set(acknowledged.values());
    expect(reachable.size).toBe(sent.length);
    const uploads = async () => (await listAll(key)).filter(({ uid }) => uid !== undefined && reachable.has(uid));
    const lost = (await listAll(key)).length - sent.length;

    // The videos of lost creations are found and deleted.
    const made = () => new Set(stream.videos().map(({ uid }) => uid));
    await expect.poll(made, { timeout: 150_000 }).toEqual(reachable);
    const { usage } = await read<{ usage: Usage }>("/usage", key);
    expect(usage).toMatchObject(usageOf(await uploads(), usage));
    console.log(`${KILLS} kills, ${sent.length} creations, ${acknowledgedFirst} acknowledged, ${lost} lost`);
  });
});
