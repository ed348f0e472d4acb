import { Routes } from "../../routes.ts";
import * as v from "valibot";
import { type CreateApiKeyPorts, createApiKey } from "../../../core/auth/create-api-key.ts";
import { SCOPES, scopes } from "../../../core/auth/rules/scopes.ts";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import { problem } from "../../../core/shared/problem.ts";
import { err } from "../../../core/shared/result.ts";
import { displayName } from "../../../core/shared/fields.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { NO_SUCH_TENANT } from "../../../core/shared/tenant.ts";
import { parseTimestamp } from "../../../core/shared/time.ts";
import { handle } from "../../pipeline/handle.ts";
import { pageOf, pageParameters } from "../../pipeline/pagination.ts";
import { resource } from "../../pipeline/resource.ts";

/** The latest time that RFC 3339 can express. */
const LATEST_EXPIRY_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

const keySchema = jsonObject({
  name: displayName,
  scopes: v.optional(scopes, [...SCOPES]),
  /** RFC 3339. */
  expiresAt: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => (parseTimestamp(text) ?? Number.NaN) * 1000),
      v.number("must be an RFC 3339 date-time, e.g. 2026-11-22T12:00:00Z"),
      v.maxValue(LATEST_EXPIRY_MS, "must be before the year 10000"),
    ),
  ),
});

const listQuery = v.object(pageParameters());

export interface KeyRoutesPorts extends CreateApiKeyPorts {
  readonly adminRegistry: Pick<AdminRegistry, "apiKeys" | "tenants">;
}

/** `tenants/:tenant/keys`. A key is shown once, in the response that creates it. */
export function keyRoutes(ports: KeyRoutesPorts): Routes {
  const { apiKeys, tenants } = ports.adminRegistry;
  const routes = new Routes();

  resource(routes, "/", {
    GET: handle({ slugs: ["tenant"], query: listQuery }, async (c, { path, query }) => {
      if (!(await tenants.get(path.tenant))) return err(NO_SUCH_TENANT);
      return c.json(pageOf("keys", await apiKeys.list(path.tenant, query), query.limit));
    }),

    POST: handle({ slugs: ["tenant"], body: keySchema }, async (c, { path, body }) => {
      const created = await createApiKey(ports, path.tenant, body);
      return created.ok ? c.json({ ...created.value.document, key: created.value.key }, 201) : created;
    }),
  });

  resource(routes, "/:id", {
    DELETE: handle({ slugs: ["tenant"] }, async (c, { path }) =>
      (await apiKeys.revoke(path.tenant, c.req.param("id") ?? ""))
        ? c.body(null, 204)
        : err(problem("not_found", "There is no such key.")),
    ),
  });
  return routes;
}
