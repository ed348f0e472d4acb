import { env } from "cloudflare:workers";
import { SignJWT } from "jose";
import { expect } from "vitest";
import type { IssuerSettings } from "../../../src/core/auth/rules/issuer-document.ts";
import type { Listeners } from "../../../src/adapters/d1/database.ts";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import type { AdminRegistry } from "../../../src/core/ports/admin-registry.ts";
import { announcePlan } from "../../../src/adapters/durable-objects/budget-client.ts";
import { createAdminRegistry } from "../../../src/adapters/d1/admin-registry.ts";
import { TimedRequestLog } from "../../../src/adapters/telemetry/request-log.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import { parseConfig } from "../../../src/config.ts";
import { createDependencies } from "../../../src/dependencies.ts";
import { createUpload } from "../../../src/core/uploads/create-upload.ts";
import { asOperator, request, seedTenant } from "../support/worker.ts";

/** Nothing listens at this address: an admitted creation is refused with `stream_unreachable`. */
export const config = parseConfig({
  ...env,
  STREAM_API_BASE: "http://127.0.0.1:9",
  STREAM_ACCOUNT_ID: "abc",
  STREAM_API_TOKEN: "token",
  REGISTRY_CACHE_SECONDS: "300",
});
export const encryption = createFieldEncryption(config.masterKeys);

/** Creates uploads in an isolate with a registry cache of its own that lasts five minutes. */
export function isolate() {
  const dependencies = createDependencies(env, config);
  const registry = createRegistry(env.DB, config, encryption, Date.now);
  return (credential: string, tenant = "acme") => {
    const headers: Record<string, string> = {
      authorization: `Bearer ${credential}`,
      "tus-resumable": "1.0.0",
      "upload-length": "5",
    };
    const request = { tenant, header: (name: string) => headers[name], waitUntil: () => undefined };
    return createUpload({ ...dependencies, registry }, request, new TimedRequestLog("request", "POST"));
  };
}

export const onTenantChanged: Listeners["onTenantChanged"] = (tenant, version) =>
  env.LEDGER.getByName(tenant).learn(version, false);

export const onPlanChanged: Listeners["onPlanChanged"] = (plan, version, upstreams) =>
  announcePlan(env.BUDGET, plan, version, upstreams);

/** The operator, in another isolate. */
export function operator(now = Date.now, listeners: Partial<Listeners> = {}) {
  return createAdminRegistry(env.DB, encryption, now, {
    onWrite: () => {},
    onTenantChanged,
    onPlanChanged,
    ...listeners,
  });
}

export const codeOf = async (outcome: ReturnType<ReturnType<typeof isolate>>) => {
  const created = await outcome;
  return created.ok ? "created" : created.problem.code;
};
export const ADMITTED = "stream_unreachable";

const SECRET = "a-secret-of-32-bytes-for-the-test";
export const ISSUER: IssuerSettings = {
  issuer: "https://idp.example/",
  audiences: ["sluice"],
  keys: { secrets: [SECRET] },
  tenant: { fixed: "acme" },
  subject: { claim: "sub" },
  scopes: ["uploads:create", "grants:create"],
  maxGrantSeconds: 60,
};

/** Seeds two tenants, the first with an identity provider, and returns a token of that. */
export async function seedIssuer(): Promise<string> {
  for (const id of ["acme", "other"]) await seedTenant(id);
  const put = await asOperator("PUT", "/issuers/idp", ISSUER);
  expect(put.status).toBe(201);
  return new SignJWT({ iss: ISSUER.issuer, aud: "sluice", sub: "user-1" })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(SECRET));
}

export const putIssuer = (to: Partial<IssuerSettings>) => (store: AdminRegistry) =>
  store.issuers.put("idp", { ...ISSUER, ...to });
/** Changes of an issuer that end its tokens for the tenant, with the code of the refusal. */
export const ISSUER_CHANGES: [string, (store: AdminRegistry) => Promise<unknown>, string][] = [
  ["is deleted", (store) => store.issuers.delete("idp"), "credential_unknown_issuer"],
  ["is deleted with its tenant", (store) => store.tenants.delete("acme"), "credential_unknown_issuer"],
  ["moves to another tenant", putIssuer({ tenant: { fixed: "other" } }), "tenant_mismatch"],
  ["takes the tenant from a claim", putIssuer({ tenant: { claim: "org" } }), "credential_rejected"],
];

export async function mint(token: string): Promise<string> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const minted = await request("POST", "/v1/acme/grants", { headers, body: "{}" });
  return (await minted.json<{ grant: string }>()).grant;
}

/** The codes of creations that begin after the answer to a change, while eight isolates create. */
export async function codesAfter(change: () => Promise<unknown>, key: string): Promise<readonly string[]> {
  const isolates = Array.from({ length: 8 }, isolate);
  for (const create of isolates) await create(key);
  let answered = false;
  const afterAnswer: string[] = [];
  const load = Promise.all(
    isolates.map(async (create) => {
      for (let round = 0; round < 20; round++) {
        const after = answered;
        const code = await codeOf(create(key));
        if (after) afterAnswer.push(code);
      }
    }),
  );
  await change();
  answered = true;
  await load;
  return afterAnswer;
}
