import { Hono } from "hono";
import type { AuditRow } from "../../../adapters/d1/audit-log.ts";
import type { RegistryStore } from "../../../adapters/d1/admin-registry.ts";
import type { AppEnv } from "../../app-env.ts";
import { ok } from "../../../core/shared/result.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { pageOf, parseSlug, readPage } from "./schemas.ts";

/** Entries are numbered. */
const AUDIT_CURSOR = /^\d{0,15}$/;

/** `audit`: who changed what, the newest first; of one tenant, or of all. */
export function auditRoutes(store: RegistryStore): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.get("/", async (c) => {
    const page = readPage(c, AUDIT_CURSOR);
    if (!page.ok) return respondProblem(c, page.problem);
    const asked = c.req.query("tenant");
    const tenant = asked === undefined ? ok(undefined) : parseSlug(asked, "tenant");
    if (!tenant.ok) return respondProblem(c, tenant.problem);
    const before = Number(page.value.after || Number.MAX_SAFE_INTEGER);
    const rows = await store.audit({
      before,
      limit: page.value.limit,
      ...(tenant.value !== undefined && { tenant: tenant.value }),
    });
    return c.json(pageOf("entries", rows.map(documentOf), page.value));
  });

  routes.all("/", allowOnly("GET", "HEAD"));
  return routes;
}

function documentOf(row: AuditRow) {
  return {
    id: String(row.id),
    at: new Date(row.at).toISOString(),
    actor: row.actor,
    action: row.action,
    target: row.target,
    ...(row.tenant !== null && { tenant: row.tenant }),
    details: detailsOf(row),
  };
}

/** Entries keep the name that the column has: `abandoned` is the document's `unfinishedUploads`. */
function detailsOf({ details }: AuditRow): object {
  const { abandoned, ...rest } = JSON.parse(details) as Record<string, unknown>;
  return abandoned === undefined ? rest : { ...rest, unfinishedUploads: abandoned };
}
