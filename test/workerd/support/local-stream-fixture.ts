import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, inject, vi } from "vitest";
import { createStreamClient } from "../../../src/adapters/stream/client.ts";
import { createStreamApi } from "../../../src/adapters/stream/stream-api.ts";
import { BASIC_UPLOAD_MAX_BYTES, writeDirectUpload } from "../../../src/core/uploads/rules/direct-upload.ts";
import { encodeUploadMetadata } from "../../../src/core/uploads/rules/upload-metadata.ts";
import type { ReservationRequest } from "../../../src/core/quota/rules/reservation.ts";
import type { Fault } from "../../../src/local-stream/faults.ts";
import { localUpstream } from "../../support/upstream-fixture.ts";
import { now, reservationRequest, signTag } from "./ledger.ts";
import { asOperator } from "./worker.ts";

/** Uploads of a ledger with their videos at the local Stream, and the alarm that settles them. */

const WEBHOOK_SECRET = "85011ed3a913c6ad5f9cf6c5573cc0a7";
export const stream = inject("stream");
const upstream = localUpstream("live", stream);
const client = createStreamClient({ deadlineMs: 5_000, allowLoopback: true, onRateLimited: () => Promise.resolve() });
const api = createStreamApi(client, true);
export const LIFE_SECONDS = 1_800;
/** The minimum chunk size of Stream, except for the last chunk. */
export const CHUNK = "x".repeat(5 * 1024 * 1024);
/** A part of the tenants' names: the files share the objects of one runtime. */
const file = crypto.randomUUID().slice(0, 8);
let count = 0;

/** Before each test, registers the upstream `live`: an empty local Stream. */
export function resetLocalStream(): void {
  afterEach(() => void vi.useRealTimers());
  beforeEach(async () => {
    await fetch(`${stream.url}/_control/reset`, { method: "POST" });
    const { accountId, apiBase, uploadHost, token } = stream;
    const account = { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token };
    await asOperator("PUT", "/upstreams/live?check=false", { ...account, webhookSecrets: [WEBHOOK_SECRET] });
  });
}

export async function injectFault(fault: Fault): Promise<void> {
  await fetch(`${stream.url}/_control/faults`, { method: "POST", body: JSON.stringify(fault) });
}

/** Sets the response to the next API call. */
export function stubResponse(status: number, body: object | string): Promise<void> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return injectFault({ on: "api", kind: "status", status, body: text });
}

/** Sets the response to the next API call to a video in this state. */
export const stubVideo = (uid: string, state: string, more: object = {}) =>
  stubResponse(200, { success: true, result: { uid, status: { state }, ...more } });

/** The response for a video that does not exist, or that belongs to another account. */
export const stubAbsentVideo = () =>
  stubResponse(404, { success: false, errors: [{ code: 10003, message: "not found" }] });

/**
 * Reserves an upload, with or without its video at Stream. The length of a basic upload makes it a basic link.
 *
 * @param meta the `sluice` key of the video; by default the tag that the gateway signs
 */
export async function reserveAtStream(
  video: "made" | "not made",
  outcome: "attached" | "unknown" | "none",
  length = 5,
  more: Partial<ReservationRequest> = {},
  meta?: string,
) {
  const [id, tenant] = [uuidv7(), `tenant-${file}-${++count}`];
  const ledger = env.LEDGER.getByName(tenant);
  const expires = now() + LIFE_SECONDS;
  await ledger.reserve(reservationRequest({ id, upstream: "live", bytes: length, expires, ...more }));
  const tag: [string, string] = ["sluice", meta ?? (await signTag(tenant, id))];
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
  else if (outcome === "unknown") await ledger.leaveUnknown(id);
  return { id, tenant, ledger, uid, location };
}

export type Ledger = Awaited<ReturnType<typeof reserveAtStream>>["ledger"];

/** Runs the alarm after the upload URL has expired. @returns the upload's row */
export async function settle(ledger: Ledger) {
  const milliseconds = (LIFE_SECONDS + 100) * 1_000;
  await fetch(`${stream.url}/_control/advance`, { method: "POST", body: JSON.stringify({ milliseconds }) });
  return settleAfter(ledger, milliseconds);
}

/** Runs the alarm at a later time, while no time passes at Stream. @returns the upload's row */
export async function settleAfter(ledger: Ledger, milliseconds: number) {
  const time = Date.now() + milliseconds;
  // Keeps one fake clock per test: the ledger's dependencies keep a reference to `Date.now`.
  if (!vi.isFakeTimers()) vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(time);
  await runDurableObjectAlarm(ledger);
  return runInDurableObject(ledger, (_, state) => state.storage.sql.exec("SELECT * FROM uploads").one());
}

/** Has the upstream search for lost creations, as its ledgers have asked it to. */
export async function searchForLost(): Promise<void> {
  const budget = env.BUDGET.getByName("live");
  await vi.waitFor(async () => {
    if (!(await runDurableObjectAlarm(budget))) throw new Error("No ledger has asked for a search.");
  }, 5_000);
}

export async function videos(): Promise<{ uid: string; status: { state: string } }[]> {
  return (await fetch(`${stream.url}/_control/videos`)).json();
}

export async function requestsToStream(): Promise<{ method: string; url: string }[]> {
  return (await fetch(`${stream.url}/_control/requests`)).json();
}

/** Methods of the requests that the local Stream received for a video. */
export async function requestsFor(uid: string): Promise<string[]> {
  return (await requestsToStream()).filter(({ url }) => url.endsWith(uid)).map(({ method }) => method);
}

export async function upload(location: string, body: string, offset = 0): Promise<void> {
  const tus = { "Tus-Resumable": "1.0.0", "Upload-Offset": String(offset) };
  const headers = { ...tus, "Content-Type": "application/offset+octet-stream" };
  const response = await fetch(location, { method: "PATCH", headers, body });
  if (response.status !== 204) throw new Error(`${response.status}`);
}

/** The signature header that Stream sends with a notification. */
export async function signedByStream(body: string): Promise<Record<string, string>> {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(WEBHOOK_SECRET), hmac, false, ["sign"]);
  const mac = await crypto.subtle.sign("HMAC", key, bytes(`${now()}.${body}`));
  return { "Webhook-Signature": `time=${now()},sig1=${new Uint8Array(mac).toHex()}` };
}
