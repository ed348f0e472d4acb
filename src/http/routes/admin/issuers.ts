import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { Config } from "../../../config.ts";
import { grantSeconds } from "../../../core/auth/mint-grant.ts";
import { DEFAULT_GRANT_SECONDS } from "../../../core/auth/rules/grant.ts";
import { ASYMMETRIC_ALGORITHMS, ISS } from "../../../core/auth/rules/issuer.ts";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import { problem } from "../../../core/shared/problem.ts";
import { err } from "../../../core/shared/result.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { handle } from "../../pipeline/handle.ts";
import { pageOf, pageParameters } from "../../pipeline/pagination.ts";
import { resource } from "../../pipeline/resource.ts";
import { slug } from "../../pipeline/slug.ts";
import { publicKeySet } from "./jwk-set-schema.ts";
import { fetchableUrl, scopes, uniqueSubset } from "./schemas.ts";

/** RFC 7518 section 3.2: "A key of the same size as the hash output (for instance, 256 bits for HS256) or larger MUST be used". */
const MIN_SECRET_BYTES = 32;

/** `iss` and `aud`, which are compared exactly. */
const text = v.pipe(v.string(), v.regex(ISS, "must be 1 to 500 printable ASCII characters"));
const claim = v.pipe(v.string(), v.regex(/^[\x20-\x7e]{1,200}$/, "must be 1 to 200 printable ASCII characters"));

const hasExactlyOne = (document: object, names: readonly string[]) =>
  names.filter((name) => name in document).length === 1;

const issuerSchema = (allowLoopback: boolean) =>
  v.pipe(
    jsonObject({
      issuer: text,
      audience: text,
      algorithms: v.optional(uniqueSubset(ASYMMETRIC_ALGORITHMS)),
      jwksUrl: v.optional(fetchableUrl(allowLoopback)),
      jwks: v.optional(publicKeySet),
      secret: v.optional(
        v.pipe(
          v.string(),
          v.minBytes(MIN_SECRET_BYTES, `must have at least ${MIN_SECRET_BYTES} bytes`),
          v.maxBytes(1_024),
        ),
      ),
      tenant: v.optional(slug),
      tenantClaim: v.optional(claim),
      subjectClaim: v.optional(claim, "sub"),
      scopes: v.optional(scopes, ["uploads:create"]),
      maxGrantSeconds: v.optional(grantSeconds, DEFAULT_GRANT_SECONDS),
    }),
    v.check(
      (issuer) => hasExactlyOne(issuer, ["jwksUrl", "jwks", "secret"]),
      "must have exactly one of jwksUrl, jwks and secret",
    ),
    v.check(
      (issuer) => hasExactlyOne(issuer, ["tenant", "tenantClaim"]),
      "must have exactly one of tenant and tenantClaim",
    ),
    v.check((issuer) => !(issuer.secret && issuer.algorithms), "algorithms: cannot be combined with secret"),
  );

const listQuery = v.object(pageParameters());
const NO_SUCH_ISSUER = problem("not_found", "There is no such issuer.");

/** `issuers` and `issuers/:id`: identity providers whose tokens are accepted. */
export function issuerRoutes(
  { issuers }: Pick<AdminRegistry, "issuers">,
  config: Pick<Config, "allowLoopback">,
): Routes {
  const routes = new Routes();

  resource(routes, "/", {
    GET: handle({ query: listQuery }, async (c, { query }) =>
      c.json(pageOf("issuers", await issuers.list(query), query.limit)),
    ),
  });

  resource(routes, "/:id", {
    GET: handle({ slugs: ["id"] }, async (c, { path }) => {
      const document = await issuers.get(path.id);
      return document ? c.json(document) : err(NO_SUCH_ISSUER);
    }),

    PUT: handle({ slugs: ["id"], body: issuerSchema(config.allowLoopback) }, async (c, { path, body }) => {
      const put = await issuers.put(path.id, body);
      return put.ok ? c.json(put.value.document, put.value.created ? 201 : 200) : put;
    }),

    DELETE: handle({}, async (c) =>
      (await issuers.delete(c.req.param("id") ?? "")) ? c.body(null, 204) : err(NO_SUCH_ISSUER),
    ),
  });
  return routes;
}
