import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import type { Ledgers } from "../../../core/ports/ledger.ts";
import { problem } from "../../../core/shared/problem.ts";
import { type Result, err, ok } from "../../../core/shared/result.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { NO_SUCH_TENANT } from "../../../core/shared/tenant.ts";
import { type RedeliverEventPorts, redeliverEvent } from "../../../core/webhooks/redeliver-event.ts";
import type { DeliveryAttempt, WebhookEvent } from "../../../core/webhooks/rules/delivery.ts";
import { handle } from "../../pipeline/handle.ts";
import { pageParameters } from "../../pipeline/pagination.ts";
import { resource } from "../../pipeline/resource.ts";
import { slug } from "../../../core/shared/fields.ts";

/** The ids and cursors that ledgers create. */
const EVENT_ID = /^[\w-]{1,64}$/;
const EVENT_CURSOR = /^[\w.-]{0,128}$/;

const listQuery = v.object(pageParameters(EVENT_CURSOR));
const redeliverySchema = jsonObject({
  /** Absent: all endpoints that are subscribed to the event's type. */
  endpoint: v.optional(slug),
});

export interface EventRoutesPorts extends RedeliverEventPorts {
  readonly adminRegistry: Pick<AdminRegistry, "tenants">;
  readonly ledgers: Ledgers;
}

/** `tenants/:tenant/events`: a tenant's webhook events with their delivery attempts; redelivers an event. */
export function eventRoutes(ports: EventRoutesPorts): Routes {
  const { ledgers } = ports;
  const routes = new Routes();
  const slugs = ["tenant"] as const;

  resource(routes, "/", {
    GET: handle({ slugs, query: listQuery }, async (c, { path, query: { cursor, limit } }) => {
      const tenant = await requireTenant(ports, path.tenant);
      if (!tenant.ok) return tenant;
      const page = await ledgers.events(path.tenant, { limit, ...(cursor && { cursor }) });
      return page.ok ? c.json({ ...page.value, events: page.value.events.map(eventDocument) }) : page;
    }),
  });

  resource(routes, "/:id", {
    GET: handle({ slugs }, async (c, { path }) => {
      const tenant = await requireTenant(ports, path.tenant);
      if (!tenant.ok) return tenant;
      const id = c.req.param("id") ?? "";
      if (!EVENT_ID.test(id)) return err(NO_SUCH_EVENT);
      const event = await ledgers.event(path.tenant, id);
      if (!event.ok) return event;
      if (!event.value) return err(NO_SUCH_EVENT);
      return c.json({ ...eventDocument(event.value), attempts: event.value.attempts.map(attemptDocument) });
    }),
  });

  resource(routes, "/:id/redeliver", {
    POST: handle({ slugs, body: redeliverySchema }, async (c, { path, body }) => {
      const tenant = await requireTenant(ports, path.tenant);
      if (!tenant.ok) return tenant;
      const id = c.req.param("id") ?? "";
      if (!EVENT_ID.test(id)) return err(NO_SUCH_EVENT);
      const endpoints = await redeliverEvent(ports, path.tenant, id, body.endpoint);
      return endpoints.ok ? c.json({ endpoints: endpoints.value }, 202) : endpoints;
    }),
  });
  return routes;
}

const NO_SUCH_EVENT = problem("not_found", "There is no such event.");

/** Checked first, because reading a ledger creates it. */
async function requireTenant({ adminRegistry }: EventRoutesPorts, id: string): Promise<Result<undefined>> {
  return (await adminRegistry.tenants.get(id)) ? ok(undefined) : err(NO_SUCH_TENANT);
}

function eventDocument({ id, body }: WebhookEvent) {
  return { id, ...body };
}

function attemptDocument({ at, ...attempt }: DeliveryAttempt) {
  return { at: new Date(at).toISOString(), ...attempt };
}
