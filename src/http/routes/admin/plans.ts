import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import { limitsSchema } from "../../../core/quota/rules/limits.ts";
import { tenantWarnings } from "../../../core/quota/rules/tenant-warnings.ts";
import type { PlanDocument } from "../../../core/shared/admin-documents.ts";
import { err } from "../../../core/shared/result.ts";
import { displayName, slug } from "../../../core/shared/fields.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { NO_SUCH_PLAN } from "../../../core/shared/tenant.ts";
import { handle } from "../../pipeline/handle.ts";
import { pageOf, pageParameters } from "../../pipeline/pagination.ts";
import { resource } from "../../pipeline/resource.ts";
import { checkSettings } from "./check-settings.ts";

const listQuery = v.object(pageParameters());

const planSchema = jsonObject({
  name: v.optional(displayName),
  /** Checked by `parsePolicy`. */
  policy: v.optional(v.unknown()),
  limits: v.optional(limitsSchema),
  upstream: v.optional(slug),
});

export interface PlanRoutePorts {
  readonly adminRegistry: Pick<AdminRegistry, "plans">;
  readonly registry: CachedRegistry;
}

/** `plans` and `plans/:id`: what many tenants have in common. */
export function planRoutes({ adminRegistry: { plans }, registry }: PlanRoutePorts): Routes {
  const routes = new Routes();
  const describe = (document: PlanDocument) => ({ ...document, warnings: tenantWarnings(document) });

  resource(routes, "/", {
    GET: handle({ query: listQuery }, async (c, { query }) =>
      c.json(pageOf("plans", await plans.list(query), query.limit)),
    ),
  });

  resource(routes, "/:id", {
    GET: handle({ slugs: ["id"] }, async (c, { path }) => {
      const document = await plans.get(path.id);
      return document ? c.json(describe(document)) : err(NO_SUCH_PLAN);
    }),

    PUT: handle({ slugs: ["id"], body: planSchema }, async (c, { path, body }) => {
      const checked = await checkSettings(registry, body, body.upstream, false);
      if (!checked.ok) return checked;
      const put = await plans.put(path.id, body);
      if (!put.ok) return put;
      return c.json(describe(put.value.document), put.value.created ? 201 : 200);
    }),

    DELETE: handle({ slugs: ["id"] }, async (c, { path }) => {
      const deleted = await plans.delete(path.id);
      if (!deleted.ok) return deleted;
      return deleted.value ? c.body(null, 204) : err(NO_SUCH_PLAN);
    }),
  });
  return routes;
}
