import { env, exports } from "cloudflare:workers";
import type { TenantSettings } from "../../../src/core/shared/admin-documents.ts";

/** Sends a request to the Worker under test, which runs in this isolate. */
export function request(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  return exports.default.fetch(new Request(`https://sluice.example${path}`, { ...init, method }));
}

/** Calls the admin API. A body that is not a string is sent as JSON. */
export function asOperator(method: string, path: string, body?: unknown): Promise<Response> {
  const headers = { Authorization: `Bearer ${env.OPERATOR_TOKEN}`, "Content-Type": "application/json" };
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return request(method, `/admin/v1${path}`, { headers, ...(body !== undefined && { body: text }) });
}

/** Creates or restores a tenant. @returns a new API key */
export async function seedTenant(id: string, document: object = {}, key: object = { name: "test" }): Promise<string> {
  const put = await asOperator("PUT", `/tenants/${id}?restore=true`, document);
  if (!put.ok) throw new Error(await put.text());
  const created = await asOperator("POST", `/tenants/${id}/keys`, key);
  if (!created.ok) throw new Error(await created.text());
  return (await created.json<{ key: string }>()).key;
}

/** The `code` of a problem response. */
export async function codeOf(response: Response | Promise<Response>): Promise<string> {
  return (await (await response).json<{ code: string }>()).code;
}

/** The settings of a tenant without policy and limits. */
export const TENANT_SETTINGS: TenantSettings = {
  policy: {},
  limits: {},
  upstream: "default",
  suspended: false,
  unfinishedUploads: "delete",
};
