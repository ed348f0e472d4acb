import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { Config } from "../../../config.ts";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import { isEndpointUrl } from "../../../core/shared/fetched-url.ts";
import { FETCHABLE_URL, displayName, uniqueSubset } from "../../../core/shared/fields.ts";
import { problem } from "../../../core/shared/problem.ts";
import { err } from "../../../core/shared/result.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { NO_SUCH_TENANT } from "../../../core/shared/tenant.ts";
import { UPLOAD_EVENT_TYPES } from "../../../core/webhooks/rules/upload-event.ts";
import { handle } from "../../pipeline/handle.ts";
import { resource } from "../../pipeline/resource.ts";

/** A URL that webhook events may be sent to. */
const endpointUrl = (allowLoopback: boolean) =>
  v.pipe(
    v.string(),
    v.check((url) => isEndpointUrl(url, allowLoopback), `${FETCHABLE_URL}, on port 443`),
  );

/** The Standard Webhooks specification requires 24 to 64. */
const SECRET_BYTES = 32;

const endpointSchema = (allowLoopback: boolean) =>
  jsonObject({
    url: endpointUrl(allowLoopback),
    description: v.optional(displayName),
    /** Absent: all types, including those of later versions. */
    events: v.optional(uniqueSubset(UPLOAD_EVENT_TYPES)),
    disabled: v.optional(v.boolean(), false),
  });

const NO_SUCH_ENDPOINT = problem("not_found", "There is no such endpoint.");

/** `tenants/:tenant/endpoints`: webhook endpoints. A secret is shown once, in the response that creates it. */
export function endpointRoutes(
  { endpoints, tenants }: Pick<AdminRegistry, "endpoints" | "tenants">,
  config: Pick<Config, "allowLoopback">,
): Routes {
  const routes = new Routes();
  const slugs = ["tenant", "id"] as const;

  resource(routes, "/", {
    GET: handle({ slugs: ["tenant"] }, async (c, { path }) => {
      if (!(await tenants.get(path.tenant))) return err(NO_SUCH_TENANT);
      return c.json({ endpoints: await endpoints.list(path.tenant) });
    }),
  });

  resource(routes, "/:id", {
    GET: handle({ slugs }, async (c, { path: { tenant, id } }) => {
      const document = await endpoints.get(tenant, id);
      return document ? c.json(document) : err(NO_SUCH_ENDPOINT);
    }),

    PUT: handle({ slugs, body: endpointSchema(config.allowLoopback) }, async (c, { path: { tenant, id }, body }) => {
      const put = await endpoints.put(tenant, id, body, newSecret());
      if (!put.ok) return put;
      const { document, created, secret } = put.value;
      return c.json({ ...document, ...(secret !== undefined && { secret }) }, created ? 201 : 200);
    }),

    DELETE: handle({ slugs }, async (c, { path: { tenant, id } }) =>
      (await endpoints.delete(tenant, id)) ? c.body(null, 204) : err(NO_SUCH_ENDPOINT),
    ),
  });

  resource(routes, "/:id/rotate", {
    POST: handle({ slugs }, async (c, { path: { tenant, id } }) => {
      const secret = newSecret();
      const rotated = await endpoints.rotateSecret(tenant, id, secret);
      return rotated.ok ? c.json({ ...rotated.value, secret }) : rotated;
    }),
  });
  return routes;
}

function newSecret(): string {
  return `whsec_${crypto.getRandomValues(new Uint8Array(SECRET_BYTES)).toBase64()}`;
}
