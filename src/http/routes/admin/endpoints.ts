import { type Context, Hono } from "hono";
import * as v from "valibot";
import type { RegistryStore } from "../../../adapters/d1/admin-registry.ts";
import type { EndpointRow } from "../../../adapters/d1/rows.ts";
import type { Config } from "../../../config.ts";
import { MAX_ENDPOINTS_PER_TENANT } from "../../../core/webhooks/rules/endpoint.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { problem } from "../../../core/shared/problem.ts";
import { type Result, ok } from "../../../core/shared/result.ts";
import { UPLOAD_EVENT_TYPES } from "../../../core/webhooks/rules/upload-event.ts";
import type { AppEnv } from "../../app-env.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { readJson } from "../../pipeline/json-body.ts";
import { displayName, endpointUrl, readSlug, uniqueSubset } from "./schemas.ts";
import { noSuchTenant } from "./tenants.ts";

/** The Standard Webhooks specification wants 24 to 64. */
const SECRET_BYTES = 32;

const endpointSchema = (allowLoopback: boolean) =>
  jsonObject({
    url: endpointUrl(allowLoopback),
    description: v.optional(displayName),
    /** Absent: all, those of later versions too. */
    events: v.optional(uniqueSubset(UPLOAD_EVENT_TYPES)),
    disabled: v.optional(v.boolean(), false),
  });

/** `tenants/:tenant/endpoints`: where a tenant hears of its uploads. A secret is shown when it is made, and never again. */
export function endpointRoutes(store: RegistryStore, config: Pick<Config, "allowLoopback">): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const schema = endpointSchema(config.allowLoopback);

  routes.get("/", async (c) => {
    const tenant = readSlug(c, "tenant");
    if (!tenant.ok) return respondProblem(c, tenant.problem);
    if (!(await store.tenant(tenant.value))) return respondProblem(c, noSuchTenant);
    return c.json({ endpoints: (await store.endpoints(tenant.value)).map(documentOf) });
  });

  routes.put("/:id", async (c) => {
    const name = readName(c);
    if (!name.ok) return respondProblem(c, name.problem);
    const body = await readJson(c.req.raw, schema);
    if (!body.ok) return respondProblem(c, body.problem);
    const { tenant, id } = name.value;
    const { url, description = null, events, disabled } = body.value;

    const before = await store.endpoint(tenant, id);
    const row = { tenant, id, url, description, events: events ? JSON.stringify(events) : null, disabled };
    const put = await store.putEndpoint(row, newSecret());
    const after = await store.endpoint(tenant, id);
    if (put && after) return c.json({ ...documentOf(after), ...put }, before ? 200 : 201);
    if (!(await store.tenant(tenant))) return respondProblem(c, noSuchTenant);
    return respondProblem(c, before || after ? changedMeanwhile : tooMany);
  });

  routes.get("/:id", async (c) => {
    const name = readName(c);
    if (!name.ok) return respondProblem(c, name.problem);
    const row = await store.endpoint(name.value.tenant, name.value.id);
    return row ? c.json(documentOf(row)) : respondProblem(c, noSuchEndpoint);
  });

  routes.delete("/:id", async (c) => {
    const name = readName(c);
    if (!name.ok) return respondProblem(c, name.problem);
    const deleted = await store.deleteEndpoint(name.value.tenant, name.value.id);
    return deleted > 0 ? c.body(null, 204) : respondProblem(c, noSuchEndpoint);
  });

  routes.post("/:id/rotate", async (c) => {
    const name = readName(c);
    if (!name.ok) return respondProblem(c, name.problem);
    const { tenant, id } = name.value;
    const secret = newSecret();
    const rotated = await store.rotateSecret(tenant, id, secret);
    const row = await store.endpoint(tenant, id);
    if (!row) return respondProblem(c, noSuchEndpoint);
    return rotated ? c.json({ ...documentOf(row), secret }) : respondProblem(c, changedMeanwhile);
  });

  routes.all("/", allowOnly("GET", "HEAD"));
  routes.all("/:id", allowOnly("DELETE", "GET", "HEAD", "PUT"));
  routes.all("/:id/rotate", allowOnly("POST"));
  return routes;
}

const noSuchEndpoint = problem("not_found", "There is no such endpoint.");
const changedMeanwhile = problem("conflict", "The endpoint was changed at the same time; look at it, and try again.");
const tooMany = problem("conflict", `A tenant may have ${MAX_ENDPOINTS_PER_TENANT} endpoints.`);

function readName(c: Context<AppEnv>): Result<{ readonly tenant: string; readonly id: string }> {
  const tenant = readSlug(c, "tenant");
  if (!tenant.ok) return tenant;
  const id = readSlug(c, "id");
  return id.ok ? ok({ tenant: tenant.value, id: id.value }) : id;
}

function newSecret(): string {
  return `whsec_${crypto.getRandomValues(new Uint8Array(SECRET_BYTES)).toBase64()}`;
}

/** The secrets stay where they are. */
function documentOf(row: EndpointRow) {
  const time = (name: string, at: number | null) => at !== null && { [name]: new Date(at).toISOString() };
  return {
    id: row.id,
    url: row.url,
    ...(row.description !== null && { description: row.description }),
    ...(row.events !== null && { events: JSON.parse(row.events) as unknown }),
    disabled: row.disabled_at !== null,
    ...time("disabledAt", row.disabled_at),
    ...(row.disabled_reason !== null && { disabledReason: row.disabled_reason }),
    ...time("failingSince", row.failing_since),
    ...time("createdAt", row.created_at),
    ...time("updatedAt", row.updated_at),
  };
}
