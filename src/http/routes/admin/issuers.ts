import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { Config } from "../../../config.ts";
import { type ReportIssuerPorts, reportIssuer, unreadableIssuer } from "../../../core/auth/report-issuer.ts";
import { TENANT_PART } from "../../../core/auth/rules/issuer.ts";
import { type IssuerDocument, issuerSchema } from "../../../core/auth/rules/issuer-document.ts";
import { issuerWarnings } from "../../../core/auth/rules/issuer-warnings.ts";
import { TENANT_NAMESPACE } from "../../../core/auth/rules/person.ts";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import { problem } from "../../../core/shared/problem.ts";
import { err, ok } from "../../../core/shared/result.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { handle } from "../../pipeline/handle.ts";
import { readJson } from "../../pipeline/json-body.ts";
import { pageOf, pageParameters } from "../../pipeline/pagination.ts";
import { resource } from "../../pipeline/resource.ts";
import { hasBody } from "../../pipeline/unread-body.ts";

const listQuery = v.object(pageParameters());
const NO_SUCH_ISSUER = problem("not_found", "There is no such issuer.");

/** The default namespace of an issuer is its id, and this namespace is that of grants which API keys mint. */
const RESERVED_ID = problem("bad_request", `id must not be "${TENANT_NAMESPACE}", which is a namespace of its own.`, {
  key: "id",
});

const checkSchema = jsonObject({
  token: v.optional(v.pipe(v.string(), v.regex(/^\S*$/, 'must be the token alone, without "Bearer"'))),
});

export interface IssuerRoutePorts extends Omit<ReportIssuerPorts, "registry"> {
  readonly adminRegistry: Pick<AdminRegistry, "issuers">;
  readonly registry: CachedRegistry;
  readonly config: Pick<Config, "allowLoopback">;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

/** `issuers`, `issuers/:id` and `…/check`: identity providers whose tokens are accepted. */
export function issuerRoutes(ports: IssuerRoutePorts): Routes {
  const { config, registry } = ports;
  const { issuers } = ports.adminRegistry;
  const routes = new Routes();
  const withWarnings = (document: IssuerDocument, sharing: readonly string[] = []) => ({
    ...document,
    warnings: issuerWarnings(document, sharing),
  });

  resource(routes, "/", {
    GET: handle({ query: listQuery }, async (c, { query }) =>
      c.json(pageOf("issuers", await issuers.list(query), query.limit)),
    ),
  });

  resource(routes, "/:id", {
    GET: handle({ slugs: ["id"] }, async (c, { path }) => {
      const document = await issuers.get(path.id);
      return document ? c.json(withWarnings(document, await issuers.listSharing(path.id))) : err(NO_SUCH_ISSUER);
    }),

    PUT: handle({ slugs: ["id"], body: issuerSchema(config.allowLoopback) }, async (c, { path, body }) => {
      if (path.id === TENANT_NAMESPACE) return err(RESERVED_ID);
      const put = await issuers.put(path.id, body);
      return put.ok ? c.json(withWarnings(put.value.document), put.value.created ? 201 : 200) : put;
    }),

    DELETE: handle({}, async (c) =>
      (await issuers.delete(c.req.param("id") ?? "")) ? c.body(null, 204) : err(NO_SUCH_ISSUER),
    ),
  });
  resource(routes, "/:id/check", {
    POST: handle({ slugs: ["id"] }, async (c, { path }) => {
      const { raw } = c.req;
      const body = hasBody(raw.headers) ? await readJson(raw, checkSchema) : ok({ token: undefined });
      if (!body.ok) return body;
      const document = await issuers.get(path.id);
      if (!document) return err(NO_SUCH_ISSUER);
      const read = await registry.uncached.issuers(document.issuer.replace(TENANT_PART, "any"), "trusted");
      const checkedAt = new Date(ports.nowMs()).toISOString();
      if (!read.ok) return c.json({ checkedAt, ...unreadableIssuer(read.problem) });
      const issuer = read.value.find(({ id }) => id === path.id);
      if (!issuer) return err(NO_SUCH_ISSUER);
      const checked = await reportIssuer({ ...ports, registry: registry.uncached }, issuer, body.value.token);
      return checked.ok ? c.json({ checkedAt, ...checked.value }) : checked;
    }),
  });
  return routes;
}
