import { Hono } from "hono";
import * as v from "valibot";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import type { RegistryStore } from "../../../adapters/d1/admin-registry.ts";
import type { TenantRow } from "../../../adapters/d1/rows.ts";
import { limitsSchema } from "../../../core/quota/rules/limits.ts";
import { parsePolicy } from "../../../core/policy/rules/policy.ts";
import { problem } from "../../../core/shared/problem.ts";
import { flag, readQuery } from "../../pipeline/query.ts";
import { DEFAULT_UPSTREAM } from "../../../core/shared/tenant.ts";
import type { AppEnv } from "../../app-env.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { readJson } from "../../pipeline/json-body.ts";
import { displayName, pageOf, readPage, readSlug, slug } from "./schemas.ts";

const tenantSchema = jsonObject({
  name: v.optional(displayName),
  /** Read by `parsePolicy`. */
  policy: v.optional(v.unknown(), {}),
  limits: v.optional(limitsSchema, {}),
  upstream: v.optional(slug, DEFAULT_UPSTREAM),
  suspended: v.optional(v.boolean(), false),
  /** What becomes of a video whose upload was never finished. */
  unfinishedUploads: v.optional(v.picklist(["delete", "keep"]), "delete"),
});

/** `tenants` and `tenants/:id`. */
export function tenantRoutes(store: RegistryStore): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.get("/", async (c) => {
    const page = readPage(c);
    if (!page.ok) return respondProblem(c, page.problem);
    const rows = await store.tenants(page.value);
    return c.json(pageOf("tenants", rows.map(documentOf), page.value));
  });

  routes.put("/:id", async (c) => {
    const id = readSlug(c, "id");
    if (!id.ok) return respondProblem(c, id.problem);
    const body = await readJson(c.req.raw, tenantSchema);
    if (!body.ok) return respondProblem(c, body.problem);
    const { name = null, policy, limits, upstream, suspended, unfinishedUploads } = body.value;
    const parsed = parsePolicy(policy, "policy");
    if (!parsed.ok) return respondProblem(c, parsed.problem);

    const query = readQuery(c.req.url, v.object({ restore: flag }));
    if (!query.ok) return respondProblem(c, query.problem);
    const { restore } = query.value;

    const before = await store.tenant(id.value);
    const row = {
      id: id.value,
      name,
      policy: JSON.stringify(policy),
      limits: JSON.stringify(limits),
      upstream,
      suspended: suspended ? 1 : 0,
      abandoned: unfinishedUploads,
    };
    const written = await store.putTenant(row, restore);
    if (written === 0)
      return respondProblem(
        c,
        !before && !restore && (await store.hasBeenDeleted(id.value))
          ? tenantIdRetired
          : problem("body_invalid", `upstream: there is no "${upstream}".`, { key: "upstream" }),
      );
    const after = await store.tenant(id.value);
    return after ? c.json(documentOf(after), before ? 200 : 201) : respondProblem(c, noSuchTenant);
  });

  routes.get("/:id", async (c) => {
    const id = readSlug(c, "id");
    if (!id.ok) return respondProblem(c, id.problem);
    const row = await store.tenant(id.value);
    return row ? c.json(documentOf(row)) : respondProblem(c, noSuchTenant);
  });

  routes.delete("/:id", async (c) => {
    const id = readSlug(c, "id");
    if (!id.ok) return respondProblem(c, id.problem);
    return (await store.deleteTenant(id.value)) > 0 ? c.body(null, 204) : respondProblem(c, noSuchTenant);
  });

  routes.all("/", allowOnly("GET", "HEAD"));
  routes.all("/:id", allowOnly("DELETE", "GET", "HEAD", "PUT"));
  return routes;
}

/** Its uploads, quotas and idempotency keys would be the new one's. */
const tenantIdRetired = problem(
  "conflict",
  "A tenant of this id has been deleted, and its uploads are kept. Choose another id, or have it back with ?restore=true.",
);

export const noSuchTenant = problem("not_found", "There is no such tenant.");

function documentOf(row: TenantRow) {
  return {
    id: row.id,
    ...(row.name !== null && { name: row.name }),
    policy: JSON.parse(row.policy) as unknown,
    limits: JSON.parse(row.limits) as unknown,
    upstream: row.upstream,
    suspended: row.suspended !== 0,
    unfinishedUploads: row.abandoned,
    createdAt: new Date(row.created_at).toISOString(),
    updatedAt: new Date(row.updated_at).toISOString(),
  };
}
