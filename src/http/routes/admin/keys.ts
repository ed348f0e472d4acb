import { Hono } from "hono";
import * as v from "valibot";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import type { RegistryStore } from "../../../adapters/d1/admin-registry.ts";
import type { ApiKeyRow } from "../../../adapters/d1/rows.ts";
import { sha256 } from "../../../adapters/auth/hashing.ts";
import {
  API_KEY_ID_CHARACTERS,
  API_KEY_SECRET_CHARACTERS,
  BASE62,
  formatApiKey,
} from "../../../core/auth/rules/api-key.ts";
import { SCOPES } from "../../../core/auth/rules/scopes.ts";
import { parseTimestamp } from "../../../core/shared/time.ts";
import { problem } from "../../../core/shared/problem.ts";
import type { AppEnv } from "../../app-env.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { readJson } from "../../pipeline/json-body.ts";
import { displayName, pageOf, readPage, readSlug, scopes } from "./schemas.ts";
import { noSuchTenant } from "./tenants.ts";

/** The last moment that RFC 3339 can write. */
const LATEST_EXPIRY_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

const keySchema = jsonObject({
  name: displayName,
  scopes: v.optional(scopes, [...SCOPES]),
  /** RFC 3339. */
  expiresAt: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => (parseTimestamp(text) ?? Number.NaN) * 1000),
      v.number("must be a time as RFC 3339 writes it"),
      v.maxValue(LATEST_EXPIRY_MS, "must be a time of this side of the year 10000"),
    ),
  ),
});

/** `tenants/:tenant/keys`: a key is shown when it is made, and never again; what is stored is its hash. */
export function keyRoutes(store: RegistryStore): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.post("/", async (c) => {
    const tenant = readSlug(c, "tenant");
    if (!tenant.ok) return respondProblem(c, tenant.problem);
    const body = await readJson(c.req.raw, keySchema);
    if (!body.ok) return respondProblem(c, body.problem);

    const key = formatApiKey(randomBase62(API_KEY_ID_CHARACTERS), randomBase62(API_KEY_SECRET_CHARACTERS));
    const { name, scopes, expiresAt } = body.value;
    const row = {
      id: key.id,
      tenant: tenant.value,
      name,
      hash: new Uint8Array(await sha256(key.text)).toBase64(),
      scopes: JSON.stringify(scopes),
      created_at: Date.now(),
      expires_at: expiresAt ?? null,
    };
    if ((await store.insertApiKey(row)) === 0) return respondProblem(c, noSuchTenant);
    return c.json({ ...documentOf({ ...row, revoked_at: null }), key: key.text }, 201);
  });

  routes.get("/", async (c) => {
    const tenant = readSlug(c, "tenant");
    if (!tenant.ok) return respondProblem(c, tenant.problem);
    const page = readPage(c);
    if (!page.ok) return respondProblem(c, page.problem);
    if (!(await store.tenant(tenant.value))) return respondProblem(c, noSuchTenant);
    return c.json(pageOf("keys", (await store.apiKeys(tenant.value, page.value)).map(documentOf), page.value));
  });

  routes.delete("/:id", async (c) => {
    const tenant = readSlug(c, "tenant");
    if (!tenant.ok) return respondProblem(c, tenant.problem);
    const revoked = await store.revokeApiKey(tenant.value, c.req.param("id"));
    return revoked > 0 ? c.body(null, 204) : respondProblem(c, problem("not_found", "There is no such key."));
  });

  routes.all("/", allowOnly("GET", "HEAD", "POST"));
  routes.all("/:id", allowOnly("DELETE"));
  return routes;
}

/** Uniform: a byte that would favour some characters is drawn again. */
function randomBase62(characters: number): string {
  let text = "";
  const fair = 256 - (256 % BASE62.length);
  while (text.length < characters) {
    for (const byte of crypto.getRandomValues(new Uint8Array(characters))) {
      if (byte < fair && text.length < characters) text += BASE62.charAt(byte % BASE62.length);
    }
  }
  return text;
}

function documentOf(row: ApiKeyRow) {
  return {
    id: row.id,
    name: row.name,
    scopes: JSON.parse(row.scopes) as unknown,
    createdAt: new Date(row.created_at).toISOString(),
    ...(row.expires_at !== null && { expiresAt: new Date(row.expires_at).toISOString() }),
    ...(row.revoked_at !== null && { revokedAt: new Date(row.revoked_at).toISOString() }),
  };
}
