import { type Context, Hono } from "hono";
import * as v from "valibot";
import type { RegistryStore } from "../../../adapters/d1/admin-registry.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { problem } from "../../../core/shared/problem.ts";
import { type Result, ok, err } from "../../../core/shared/result.ts";
import type { AppEnv } from "../../app-env.ts";
import type { DeliveryAttempt, WebhookEvent } from "../../../core/webhooks/rules/delivery.ts";
import type { Ledgers } from "../../../core/ports/ledger.ts";
import { type RedeliverEventPorts, redeliverEvent } from "../../../core/webhooks/redeliver-event.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { readJson } from "../../pipeline/json-body.ts";
import { readPage, readSlug, slug } from "./schemas.ts";
import { noSuchTenant } from "./tenants.ts";

/** As a ledger makes them. */
const EVENT_ID = /^[\w-]{1,64}$/;
const EVENT_CURSOR = /^[\w.-]{0,128}$/;

const redeliverySchema = jsonObject({
  /** Absent: all that want events of its type. */
  endpoint: v.optional(slug),
});

export interface EventRoutesPorts extends RedeliverEventPorts {
  readonly store: RegistryStore;
  readonly ledgers: Ledgers;
}

/** `tenants/:tenant/events`: what a tenant's endpoints were told, how that went, and telling it once more. */
export function eventRoutes(ports: EventRoutesPorts): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.get("/", async (c) => {
    const tenant = await readTenant(c, ports.store);
    if (!tenant.ok) return respondProblem(c, tenant.problem);
    const page = readPage(c, EVENT_CURSOR);
    if (!page.ok) return respondProblem(c, page.problem);
    const { after: cursor, limit } = page.value;
    const found = await ports.ledgers.events(tenant.value, { limit, ...(cursor && { cursor }) });
    if (!found.ok) return respondProblem(c, found.problem);
    return c.json({ ...found.value, events: found.value.events.map(documentOf) });
  });

  routes.get("/:id", async (c) => {
    const tenant = await readTenant(c, ports.store);
    if (!tenant.ok) return respondProblem(c, tenant.problem);
    const id = c.req.param("id");
    if (!EVENT_ID.test(id)) return respondProblem(c, noSuchEvent);
    const found = await ports.ledgers.event(tenant.value, id);
    if (!found.ok) return respondProblem(c, found.problem);
    if (!found.value) return respondProblem(c, noSuchEvent);
    return c.json({ ...documentOf(found.value), attempts: found.value.attempts.map(attemptDocument) });
  });

  routes.post("/:id/redeliver", async (c) => {
    const tenant = await readTenant(c, ports.store);
    if (!tenant.ok) return respondProblem(c, tenant.problem);
    const body = await readJson(c.req.raw, redeliverySchema);
    if (!body.ok) return respondProblem(c, body.problem);
    const id = c.req.param("id");
    if (!EVENT_ID.test(id)) return respondProblem(c, noSuchEvent);
    const endpoints = await redeliverEvent(ports, tenant.value, id, body.value.endpoint);
    return endpoints.ok ? c.json({ endpoints: endpoints.value }, 202) : respondProblem(c, endpoints.problem);
  });

  routes.all("/", allowOnly("GET", "HEAD"));
  routes.all("/:id", allowOnly("GET", "HEAD"));
  routes.all("/:id/redeliver", allowOnly("POST"));
  return routes;
}

const noSuchEvent = problem("not_found", "There is no such event.");

/** A tenant that is there: a ledger is not asked, and made by that, for every name. */
async function readTenant(c: Context<AppEnv>, store: RegistryStore): Promise<Result<string>> {
  const tenant = readSlug(c, "tenant");
  if (!tenant.ok) return tenant;
  return (await store.tenant(tenant.value)) ? ok(tenant.value) : err(noSuchTenant);
}

function documentOf({ id, body }: WebhookEvent) {
  return { id, ...body };
}

function attemptDocument({ at, ...attempt }: DeliveryAttempt) {
  return { at: new Date(at).toISOString(), ...attempt };
}
