import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, inject, vi } from "vitest";
import { createStreamClient } from "../../../src/adapters/stream/client.ts";
import { createStreamApi } from "../../../src/adapters/stream/stream-api.ts";
import { BASIC_UPLOAD_MAX_BYTES, writeDirectUpload } from "../../../src/core/uploads/rules/direct-upload.ts";
import { encodeUploadMetadata } from "../../../src/core/uploads/rules/upload-metadata.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import type { Fault } from "../../../src/local-stream/faults.ts";
import { asOperator } from "./worker.ts";

/** Uploads of a ledger with their videos at the local Stream, and the alarm that comes when their time is over. */

const WEBHOOK_SECRET = "85011ed3a913c6ad5f9cf6c5573cc0a7";
export const stream = inject("stream");
const upstream: Upstream = {
  id: "live",
  accountId: stream.accountId,
  apiBase: stream.apiBase,
  uploadHosts: [stream.uploadHost],
  callsPerWindow: 1_000,
  credential: { kind: "token", token: stream.token },
  webhookSecrets: [],
};
const client = createStreamClient({ deadlineMs: 5_000, onRateLimited: () => Promise.resolve() });
const api = createStreamApi(client, true);
export const now = () => Math.floor(Date.now() / 1000);
export const LIFE_SECONDS = 1_800;
/** The smallest that Stream takes, but for the last one. */
export const CHUNK = "x".repeat(5 * 1024 * 1024);
let made = 0;

/** The upstream `live` is a local Stream in which nothing has happened yet. */
export function resetLocalStream(): void {
  afterEach(() => void vi.useRealTimers());
  beforeEach(async () => {
    await fetch(`${stream.url}/_control/reset`, { method: "POST" });
    const { accountId, apiBase, uploadHost, token } = stream;
    const account = { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token };
    await asOperator("PUT", "/upstreams/live", { ...account, webhookSecrets: [WEBHOOK_SECRET] });
  });
}

export async function injectFault(fault: Fault): Promise<void> {
  await fetch(`${stream.url}/_control/faults`, { method: "POST", body: JSON.stringify(fault) });
}

/** What the next call of the API is answered. */
export function stubResponse(status: number, body: object | string): Promise<void> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return injectFault({ on: "api", kind: "status", status, body: text });
}

/** The next call is answered with a video that is in the state which is given. */
export const stubVideo = (uid: string, state: string, more: object = {}) =>
  stubResponse(200, { success: true, result: { uid, status: { state }, ...more } });

/** As of a video that is not there; also where the account is mistaken for another one that the token may read. */
export const stubAbsentVideo = () =>
  stubResponse(404, { success: false, errors: [{ code: 10003, message: "not found" }] });

/** A reservation, and the video that Stream has made for it, if it has: with a basic link, where it is as long as those. */
export async function reserveAtStream(video: "made" | "not made", outcome: "attached" | "unknown", length = 5) {
  const [id, tenant] = [uuidv7(), `tenant-${++made}`];
  const ledger = env.LEDGER.getByName(tenant);
  const size = { bytes: length, seconds: 60 };
  await ledger.reserve({ id, version: 1, limits: {}, upstream: "live", expires: now() + LIFE_SECONDS, ...size });
  const tag: [string, string] = ["sluice", `${tenant}/${id}`];
  const expiry = new Date((now() + LIFE_SECONDS) * 1_000).toISOString();
  const create = () =>
    length === BASIC_UPLOAD_MAX_BYTES
      ? api.createDirect(
          upstream,
          writeDirectUpload(new Map([["maxdurationseconds", "60"], ["expiry", expiry], tag]), undefined),
        )
      : api.create(upstream, { length, metadata: encodeUploadMetadata([tag]) });
  const created = video === "made" ? await create() : undefined;
  const [uid, location] = created?.kind === "created" ? [created.uid, created.location] : ["0".repeat(32), ""];
  if (outcome === "attached") await ledger.attach(id, uid, location);
  else await ledger.leaveUnknown(id);
  return { id, tenant, ledger, uid, location };
}

export type Ledger = Awaited<ReturnType<typeof reserveAtStream>>["ledger"];

/** The upload's row, after its URL has died and the alarm has come. */
export async function settle(ledger: Ledger) {
  const milliseconds = (LIFE_SECONDS + 100) * 1_000;
  await fetch(`${stream.url}/_control/advance`, { method: "POST", body: JSON.stringify({ milliseconds }) });
  return settleAfter(ledger, milliseconds);
}

/** The same, while at Stream no time has passed. */
export async function settleAfter(ledger: Ledger, milliseconds: number) {
  const time = Date.now() + milliseconds;
  // One clock, and not another each time: the ledger's dependencies hold on to theirs.
  if (!vi.isFakeTimers()) vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(time);
  await runDurableObjectAlarm(ledger);
  return runInDurableObject(ledger, (_, state) => state.storage.sql.exec("SELECT * FROM uploads").one());
}

export async function videos(): Promise<{ uid: string; status: { state: string } }[]> {
  return (await fetch(`${stream.url}/_control/videos`)).json();
}

/** Methods of the requests that the local Stream received for a video. */
export async function requestsFor(uid: string): Promise<string[]> {
  const requests = await (await fetch(`${stream.url}/_control/requests`)).json<{ method: string; url: string }[]>();
  return requests.filter(({ url }) => url.endsWith(uid)).map(({ method }) => method);
}

export async function upload(location: string, body: string, offset = 0): Promise<void> {
  const tus = { "Tus-Resumable": "1.0.0", "Upload-Offset": String(offset) };
  const headers = { ...tus, "Content-Type": "application/offset+octet-stream" };
  const answer = await fetch(location, { method: "PATCH", headers, body });
  if (answer.status !== 204) throw new Error(`${answer.status}`);
}

/** The header of an event as Stream sends it. */
export async function signedByStream(body: string): Promise<Record<string, string>> {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(WEBHOOK_SECRET), hmac, false, ["sign"]);
  const mac = await crypto.subtle.sign("HMAC", key, bytes(`${now()}.${body}`));
  return { "Webhook-Signature": `time=${now()},sig1=${new Uint8Array(mac).toHex()}` };
}
