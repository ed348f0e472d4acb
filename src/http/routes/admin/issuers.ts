import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { Config } from "../../../config.ts";
import { type IssuerDocument, issuerSchema } from "../../../core/auth/rules/issuer-document.ts";
import { issuerWarnings } from "../../../core/auth/rules/issuer-warnings.ts";
import { TENANT_NAMESPACE } from "../../../core/auth/rules/person.ts";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import { problem } from "../../../core/shared/problem.ts";
import { err } from "../../../core/shared/result.ts";
import { handle } from "../../pipeline/handle.ts";
import { pageOf, pageParameters } from "../../pipeline/pagination.ts";
import { resource } from "../../pipeline/resource.ts";

const listQuery = v.object(pageParameters());
const NO_SUCH_ISSUER = problem("not_found", "There is no such issuer.");

/** The default namespace of an issuer is its id, and this namespace is that of grants which API keys mint. */
const RESERVED_ID = problem("bad_request", `id must not be "${TENANT_NAMESPACE}", which is a namespace of its own.`, {
  key: "id",
});

/** `issuers` and `issuers/:id`: identity providers whose tokens are accepted. */
export function issuerRoutes(
  { issuers }: Pick<AdminRegistry, "issuers">,
  config: Pick<Config, "allowLoopback">,
): Routes {
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
  return routes;
}
