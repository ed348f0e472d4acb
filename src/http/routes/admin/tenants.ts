import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import { describeTenant } from "../../../core/quota/rules/effective-settings.ts";
import { limitsPatchSchema } from "../../../core/quota/rules/limits.ts";
import type { TenantDocument, TenantSettings } from "../../../core/shared/admin-documents.ts";
import { err } from "../../../core/shared/result.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { NO_SUCH_TENANT } from "../../../core/shared/tenant.ts";
import { handle } from "../../pipeline/handle.ts";
import { pageOf, pageParameters } from "../../pipeline/pagination.ts";
import { flag } from "../../pipeline/query.ts";
import { resource } from "../../pipeline/resource.ts";
import { displayName, slug } from "../../../core/shared/fields.ts";
import { checkSettings } from "./check-settings.ts";

const listQuery = v.object(pageParameters());
const putQuery = v.object({
  /** Creates the tenant even if one of this id was deleted earlier. */
  restore: flag,
});

const tenantSchema = jsonObject({
  name: v.optional(displayName),
  plan: v.optional(v.nullable(slug)),
  /** Checked by `parsePolicy`. */
  policy: v.optional(v.unknown()),
  limits: v.optional(limitsPatchSchema),
  upstream: v.optional(slug),
  suspended: v.optional(v.boolean(), false),
  /** What happens to the video of an upload that was never finished. */
  unfinishedUploads: v.optional(v.picklist(["delete", "keep"]), "delete"),
});

export interface TenantRoutePorts {
  readonly adminRegistry: Pick<AdminRegistry, "tenants" | "plans">;
  readonly registry: CachedRegistry;
}

/** `tenants` and `tenants/:id`. */
export function tenantRoutes({ adminRegistry: { tenants, plans }, registry }: TenantRoutePorts): Routes {
  const routes = new Routes();
  const planOf = async ({ plan }: Pick<TenantSettings, "plan">) =>
    typeof plan === "string" ? plans.get(plan) : undefined;
  const describe = async (document: TenantDocument) => describeTenant(document, await planOf(document));

  resource(routes, "/", {
    GET: handle({ query: listQuery }, async (c, { query }) =>
      c.json(pageOf("tenants", await tenants.list(query), query.limit)),
    ),
  });

  resource(routes, "/:id", {
    GET: handle({ slugs: ["id"] }, async (c, { path }) => {
      const document = await tenants.get(path.id);
      return document ? c.json(await describe(document)) : err(NO_SUCH_TENANT);
    }),

    PUT: handle({ slugs: ["id"], query: putQuery, body: tenantSchema }, async (c, { path, query, body }) => {
      const plan = await planOf(body);
      const checked = await checkSettings(
        registry,
        body,
        body.upstream ?? plan?.upstream,
        typeof body.plan === "string",
      );
      if (!checked.ok) return checked;
      const put = await tenants.put(path.id, body, query.restore);
      if (!put.ok) return put;
      return c.json(await describe(put.value.document), put.value.created ? 201 : 200);
    }),

    DELETE: handle({ slugs: ["id"] }, async (c, { path }) =>
      (await tenants.delete(path.id)) ? c.body(null, 204) : err(NO_SUCH_TENANT),
    ),
  });
  return routes;
}
