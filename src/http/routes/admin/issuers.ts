import { Hono } from "hono";
import * as v from "valibot";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import type { NewIssuer, RegistryStore } from "../../../adapters/d1/admin-registry.ts";
import { ASYMMETRIC_ALGORITHMS, ISS, SYMMETRIC_ALGORITHMS } from "../../../core/auth/rules/issuer.ts";
import type { IssuerRow } from "../../../adapters/d1/rows.ts";
import type { Config } from "../../../config.ts";
import { problem } from "../../../core/shared/problem.ts";
import type { AppEnv } from "../../app-env.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { readJson } from "../../pipeline/json-body.ts";
import { pageOf, readPage, readSlug, safeUrl, scopes, slug, uniqueSubset } from "./schemas.ts";
import { publicKeySet } from "./jwk-set-schema.ts";

/** RFC 7518 section 3.2: "A key of the same size as the hash output (for instance, 256 bits for HS256) or larger MUST be used". */
const MIN_SECRET_BYTES = 32;

/** Of `iss` and `aud`, which are compared as they are. */
const text = v.pipe(v.string(), v.regex(ISS, "must be 1 to 500 printable ASCII characters"));
const claim = v.pipe(v.string(), v.regex(/^[\x20-\x7e]{1,200}$/, "must be 1 to 200 printable ASCII characters"));

/** Of several alternatives, exactly one. */
const exactlyOne = (document: object, names: readonly string[]) =>
  names.filter((name) => name in document).length === 1;

const issuerSchema = (allowLoopback: boolean) =>
  v.pipe(
    jsonObject({
      issuer: text,
      audience: text,
      algorithms: v.optional(uniqueSubset(ASYMMETRIC_ALGORITHMS)),
      jwksUrl: v.optional(safeUrl(allowLoopback)),
      jwks: v.optional(publicKeySet),
      secret: v.optional(
        v.pipe(
          v.string(),
          v.minBytes(MIN_SECRET_BYTES, `must have ${MIN_SECRET_BYTES} bytes or more`),
          v.maxBytes(1_024),
        ),
      ),
      tenant: v.optional(slug),
      tenantClaim: v.optional(claim),
      subjectClaim: v.optional(claim, "sub"),
      scopes: v.optional(scopes, ["uploads:create"]),
    }),
    v.check((issuer) => exactlyOne(issuer, ["jwksUrl", "jwks", "secret"]), "give one of jwksUrl, jwks and secret"),
    v.check((issuer) => exactlyOne(issuer, ["tenant", "tenantClaim"]), "give one of tenant and tenantClaim"),
    // A secret is for HS256 and for nothing else, so there is nothing to choose.
    v.check((issuer) => !(issuer.secret && issuer.algorithms), "algorithms: cannot be chosen with a secret"),
  );

type IssuerDocument = v.InferOutput<ReturnType<typeof issuerSchema>>;

/** `issuers` and `issuers/:id`: identity providers whose tokens are accepted. */
export function issuerRoutes(store: RegistryStore, config: Pick<Config, "allowLoopback">): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const schema = issuerSchema(config.allowLoopback);

  routes.get("/", async (c) => {
    const page = readPage(c);
    if (!page.ok) return respondProblem(c, page.problem);
    return c.json(pageOf("issuers", (await store.issuers(page.value)).map(documentOf), page.value));
  });

  routes.put("/:id", async (c) => {
    const id = readSlug(c, "id");
    if (!id.ok) return respondProblem(c, id.problem);
    const body = await readJson(c.req.raw, schema);
    if (!body.ok) return respondProblem(c, body.problem);
    const { tenant } = body.value;
    if (tenant !== undefined && !(await store.tenant(tenant)))
      return respondProblem(c, problem("body_invalid", `tenant: there is no "${tenant}".`, { key: "tenant" }));

    const before = await store.issuer(id.value);
    const row = rowOf(id.value, body.value);
    await store.putIssuer(row);
    return c.json(documentOf({ ...row, sealed_secret: null }), before ? 200 : 201);
  });

  routes.get("/:id", async (c) => {
    const id = readSlug(c, "id");
    if (!id.ok) return respondProblem(c, id.problem);
    const row = await store.issuer(id.value);
    return row ? c.json(documentOf(row)) : respondProblem(c, noSuchIssuer);
  });

  routes.delete("/:id", async (c) => {
    const deleted = await store.deleteIssuer(c.req.param("id"));
    return deleted > 0 ? c.body(null, 204) : respondProblem(c, noSuchIssuer);
  });

  routes.all("/", allowOnly("GET", "HEAD"));
  routes.all("/:id", allowOnly("DELETE", "GET", "HEAD", "PUT"));
  return routes;
}

const noSuchIssuer = problem("not_found", "There is no such issuer.");

function rowOf(id: string, document: IssuerDocument): NewIssuer {
  const algorithms = document.secret ? SYMMETRIC_ALGORITHMS : (document.algorithms ?? ASYMMETRIC_ALGORITHMS);
  return {
    id,
    iss: document.issuer,
    audience: document.audience,
    algorithms: JSON.stringify(algorithms),
    jwks_url: document.jwksUrl ?? null,
    jwks: document.jwks ? JSON.stringify(document.jwks) : null,
    secret: document.secret ?? null,
    tenant: document.tenant ?? null,
    tenant_claim: document.tenantClaim ?? null,
    subject_claim: document.subjectClaim,
    scopes: JSON.stringify(document.scopes),
  };
}

/** The secret stays where it is. */
function documentOf(row: IssuerRow) {
  return {
    id: row.id,
    issuer: row.iss,
    audience: row.audience,
    algorithms: JSON.parse(row.algorithms) as unknown,
    ...(row.jwks_url !== null && { jwksUrl: row.jwks_url }),
    ...(row.jwks !== null && { jwks: JSON.parse(row.jwks) as unknown }),
    ...(row.tenant !== null && { tenant: row.tenant }),
    ...(row.tenant_claim !== null && { tenantClaim: row.tenant_claim }),
    subjectClaim: row.subject_claim,
    scopes: JSON.parse(row.scopes) as unknown,
  };
}
