import { runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { expect } from "vitest";
import type { TenantSettings } from "../../../src/core/shared/admin-documents.ts";
import type { ReservationOutcome, ReservationRequest } from "../../../src/core/quota/rules/reservation.ts";
import { LedgerStore } from "../../../src/durable-objects/tenant-ledger/store.ts";
import type { TenantLedger } from "../../../src/durable-objects/tenant-ledger/tenant-ledger.ts";

/** The Worker under test, in this very isolate. */
export function request(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  return exports.default.fetch(new Request(`https://sluice.example${path}`, { ...init, method }));
}

/** A call to the operator's API; a body that is no string goes as JSON. */
export function asOperator(method: string, path: string, body?: unknown): Promise<Response> {
  const headers = { Authorization: `Bearer ${env.OPERATOR_TOKEN}`, "Content-Type": "application/json" };
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return request(method, `/admin/v1${path}`, { headers, ...(body !== undefined && { body: text }) });
}

/** A tenant with a key, and whatever its document says; had it been deleted, it is there again. */
export async function seedTenant(id: string, document: object = {}, key: object = { name: "test" }): Promise<string> {
  const put = await asOperator("PUT", `/tenants/${id}?restore=true`, document);
  if (!put.ok) throw new Error(await put.text());
  const made = await asOperator("POST", `/tenants/${id}/keys`, key);
  if (!made.ok) throw new Error(await made.text());
  return (await made.json<{ key: string }>()).key;
}

/** Code of the problem that an answer is. */
export async function codeOf(answer: Response | Promise<Response>): Promise<string> {
  return (await (await answer).json<{ code: string }>()).code;
}

/** What a ledger says to a creation. */
export async function reserve(
  ledger: DurableObjectStub<TenantLedger>,
  request: ReservationRequest,
): Promise<ReservationOutcome> {
  return JSON.parse(await ledger.reserve(request)) as ReservationOutcome;
}

/** What a ledger counts is the sum of its rows: as it has it in memory, and as it would be read from disk. */
export async function agrees(ledger: DurableObjectStub<TenantLedger>): Promise<void> {
  const { inMemory, onDisk, recounted } = await runInDurableObject(ledger, (object, { storage }) => {
    const [store, now] = [new LedgerStore(storage), Math.floor(Date.now() / 1000)];
    return { inMemory: object.usage(), onDisk: store.totals(now), recounted: store.recount(now) };
  });
  expect({ inMemory, onDisk }).toEqual({ inMemory: recounted, onDisk: recounted });
}

/** The settings of a tenant without policy and limits. */
export const TENANT_SETTINGS: TenantSettings = {
  policy: {},
  limits: {},
  upstream: "default",
  suspended: false,
  unfinishedUploads: "delete",
};
