import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import { handle } from "../../pipeline/handle.ts";
import { pageOf, pageParameters } from "../../pipeline/pagination.ts";
import { resource } from "../../pipeline/resource.ts";
import { slug } from "../../../core/shared/fields.ts";

/** Ids of entries are numbers. */
const AUDIT_CURSOR = /^\d{0,15}$/;

const listQuery = v.object({ ...pageParameters(AUDIT_CURSOR), tenant: v.optional(slug) });

/** `audit`: the changes to one tenant or to all documents, newest first. */
export function auditRoutes(adminRegistry: Pick<AdminRegistry, "audit">): Routes {
  const routes = new Routes();
  resource(routes, "/", {
    GET: handle({ query: listQuery }, async (c, { query: { cursor, limit, tenant } }) => {
      const before = Number(cursor || Number.MAX_SAFE_INTEGER);
      return c.json(pageOf("entries", await adminRegistry.audit({ before, limit, tenant }), limit));
    }),
  });
  return routes;
}
