import { Routes } from "../../routes.ts";
import * as v from "valibot";
import { parsePolicy } from "../../../core/policy/rules/parse-policy.ts";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import { limitsSchema } from "../../../core/quota/rules/limits.ts";
import { tenantWarnings } from "../../../core/quota/rules/tenant-warnings.ts";
import { err } from "../../../core/shared/result.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { DEFAULT_UPSTREAM, NO_SUCH_TENANT } from "../../../core/shared/tenant.ts";
import { USUAL_MAXIMA } from "../../../core/stream/rules/defaults.ts";
import type { AccountMaxima } from "../../../core/stream/rules/upstream.ts";
import { handle } from "../../pipeline/handle.ts";
import { pageOf, pageParameters } from "../../pipeline/pagination.ts";
import { flag } from "../../pipeline/query.ts";
import { resource } from "../../pipeline/resource.ts";
import { slug } from "../../../core/shared/fields.ts";
import { displayName } from "./schemas.ts";

const listQuery = v.object(pageParameters());
const putQuery = v.object({
  /** Creates the tenant even if one of this id was deleted earlier. */
  restore: flag,
});

const tenantSchema = jsonObject({
  name: v.optional(displayName),
  /** Checked by `parsePolicy`. */
  policy: v.optional(v.unknown()),
  limits: v.optional(limitsSchema),
  upstream: v.optional(slug, DEFAULT_UPSTREAM),
  suspended: v.optional(v.boolean(), false),
  /** What happens to the video of an upload that was never finished. */
  unfinishedUploads: v.optional(v.picklist(["delete", "keep"]), "delete"),
});

export interface TenantRoutePorts {
  readonly adminRegistry: Pick<AdminRegistry, "tenants">;
  readonly registry: CachedRegistry;
}

/** `tenants` and `tenants/:id`. */
export function tenantRoutes({ adminRegistry: { tenants }, registry }: TenantRoutePorts): Routes {
  const routes = new Routes();

  resource(routes, "/", {
    GET: handle({ query: listQuery }, async (c, { query }) =>
      c.json(pageOf("tenants", await tenants.list(query), query.limit)),
    ),
  });

  resource(routes, "/:id", {
    GET: handle({ slugs: ["id"] }, async (c, { path }) => {
      const document = await tenants.get(path.id);
      return document ? c.json({ ...document, warnings: tenantWarnings(document) }) : err(NO_SUCH_TENANT);
    }),

    PUT: handle({ slugs: ["id"], query: putQuery, body: tenantSchema }, async (c, { path, query, body }) => {
      const { policy: json = {}, upstream } = body;
      const policy = parsePolicy(json, "policy", await accountMaxima(registry, upstream));
      if (!policy.ok) return policy;
      const put = await tenants.put(path.id, body, query.restore);
      if (!put.ok) return put;
      const { document, created } = put.value;
      return c.json({ ...document, warnings: tenantWarnings(document) }, created ? 201 : 200);
    }),

    DELETE: handle({ slugs: ["id"] }, async (c, { path }) =>
      (await tenants.delete(path.id)) ? c.body(null, 204) : err(NO_SUCH_TENANT),
    ),
  });
  return routes;
}

/** The maxima of the tenant's Stream account; Stream's usual ones if the upstream cannot be read. */
async function accountMaxima({ uncached }: CachedRegistry, id: string): Promise<AccountMaxima> {
  const upstream = await uncached.upstream(id, "trusted");
  return (upstream.ok && upstream.value) || USUAL_MAXIMA;
}
