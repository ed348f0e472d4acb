import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { expect } from "vitest";
import { createVideoTags } from "../../../src/adapters/stream/video-tags.ts";
import { parseConfig } from "../../../src/config.ts";
import type { ReservationOutcome, ReservationRequest } from "../../../src/core/quota/rules/reservation.ts";
import { applyToTotals, emptyTotals } from "../../../src/core/quota/rules/usage-totals.ts";
import type { StreamVideo } from "../../../src/core/stream/rules/video.ts";
import { parseTag } from "../../../src/core/stream/rules/video-tag.ts";
import type { UploadRow } from "../../../src/durable-objects/tenant-ledger/schema.ts";
import { LedgerStore } from "../../../src/durable-objects/tenant-ledger/store.ts";
import type { TenantLedger } from "../../../src/durable-objects/tenant-ledger/tenant-ledger.ts";

export type LedgerStub = DurableObjectStub<TenantLedger>;

export const LOCATION = "https://upload.example/1";
/** A part of the ledgers' names: the files share the objects of one runtime. */
const file = crypto.randomUUID().slice(0, 8);
let count = 0;

/** Seconds since the epoch. */
export const now = () => Math.floor(Date.now() / 1000);

/** An empty ledger. Its name is the tenant's id. */
export function newLedger(): LedgerStub & { readonly name: string } {
  const name = `tenant-${file}-${++count}`;
  return env.LEDGER.getByName(name) as LedgerStub & { readonly name: string };
}

/** A Stream uid: 32 hexadecimal digits. */
export const uidOf = (number: number) => number.toString(16).padStart(32, "0");
export const newUid = () => uidOf(++count);

export function reservationRequest(more: Partial<ReservationRequest> = {}): ReservationRequest {
  return {
    id: uuidv7(),
    version: 1,
    limits: {},
    upstream: "default",
    bytes: 100,
    seconds: 60,
    expires: now() + 1_800,
    ...more,
  };
}

export async function reserve(ledger: LedgerStub, request: ReservationRequest): Promise<ReservationOutcome> {
  return JSON.parse(await ledger.reserve(request)) as ReservationOutcome;
}

/** Reserves an upload and attaches its URL. */
export async function issueUpload(ledger: LedgerStub, more: Partial<ReservationRequest> = {}) {
  const [request, uid] = [reservationRequest(more), newUid()];
  await ledger.reserve(request);
  await ledger.attach(request.id, uid, LOCATION);
  return { id: request.id, uid };
}

export function streamVideo(
  uid: string,
  kind: StreamVideo["report"]["kind"],
  more: Partial<StreamVideo> = {},
): StreamVideo {
  return { report: { kind, uid, seconds: 12, bytes: 90 }, json: { uid, status: { state: kind } }, ...more };
}

/** The text that the gateway writes into the `meta` of an upload's video. */
export function signTag(tenant: string, uploadId: string): Promise<string> {
  return createVideoTags(parseConfig(env).masterKeys).sign(tenant, uploadId);
}

/** The fields of a video that was created just now, with a tag that the gateway has signed. */
export async function tagged({ name }: { readonly name?: string }, uploadId: string) {
  const tag = parseTag(await signTag(name ?? "", uploadId));
  return { created: now(), ...(tag && { tag }) };
}

export function rowOf(ledger: LedgerStub, id: string) {
  return runInDurableObject(ledger, (_, { storage }) =>
    storage.sql.exec("SELECT * FROM uploads WHERE id = ?", id).one(),
  );
}

/** The stored alarm, in milliseconds since the epoch. */
export function alarmOf(ledger: LedgerStub): Promise<number | null> {
  return runInDurableObject(ledger, (_, { storage }) => storage.getAlarm());
}

/** The totals in memory and those on disk equal the sum over all rows. */
export async function expectLedgerConsistent(ledger: LedgerStub): Promise<void> {
  const { inMemory, onDisk, recounted } = await runInDurableObject(ledger, (object: TenantLedger, { storage }) => {
    const onDisk = new LedgerStore(storage, now()).totals(now());
    let recounted = emptyTotals(onDisk.day.start);
    for (const row of storage.sql.exec<UploadRow>("SELECT * FROM uploads"))
      recounted = applyToTotals(recounted, undefined, row);
    return { inMemory: object.usage(), onDisk, recounted };
  });
  expect({ inMemory, onDisk }).toEqual({ inMemory: recounted, onDisk: recounted });
}
