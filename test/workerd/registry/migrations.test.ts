import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { createAdminRegistry } from "../../../src/adapters/d1/admin-registry.ts";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import { createReconciliationStates } from "../../../src/adapters/d1/reconciliation-state.ts";
import { createRegistryIndex } from "../../../src/adapters/d1/registry-index.ts";
import { parseConfig } from "../../../src/config.ts";

/** Databases of earlier versions with rows in them, sealed with the master key `new` of the tests. */

const CREATED = Date.UTC(2026, 0, 1);
const HASH = new Uint8Array(32).fill(7);
const RSA_KEY = { kty: "RSA", n: "AQAB", e: "AQAB" };
/** `{"kind":"token","token":"stream-token"}` */
const SEALED_CREDENTIAL =
  "v1.new.tjFaypmHWB1yomcuUk9tgiTaffIzbaci81vtI0RBXxvItLihFcRCl92RROaxrn_5mu2oNLf4BwRjGNWz7QtihZsdEw";
/** `a-shared-secret-of-32-bytes-or-more` */
const SEALED_ISSUER_SECRET =
  "v1.new.SE-r2R9A63rMcFne_84VX6yDyiHdsV29yjZnC639vbkBKbrl25tzVPIORMiXQFRFB1PG7eeXtPXjfeZIrbgH";
/** `[{"secret":"whsec_one"}]` */
const SEALED_ENDPOINT_SECRETS = "v1.new.gj3D1-BiU8n9BTpoDVtI80ilQqIalEYnxR_m6McUCXSLlDP4b0u19x1l4SYDuPf7m36fWQ";

const insert = (table: string, row: Readonly<Record<string, string | number | null>>) => {
  const columns = Object.keys(row);
  const sql = `INSERT INTO ${table} (${columns.join()}) VALUES (${columns.map(() => "?").join()})`;
  return env.DB.prepare(sql)
    .bind(...Object.values(row))
    .run();
};

/** Applies the migrations up to the one with this number. */
const migrateTo = (number: number) => applyD1Migrations(env.DB, env.TEST_MIGRATIONS.slice(0, number));

async function fillVersion1(): Promise<void> {
  const upstream = { account_id: "account", api_base: "https://api.example/v4", upload_hosts: '["up.example"]' };
  await insert("upstreams", { id: "eu", ...upstream, sealed_credential: SEALED_CREDENTIAL });
  const times = { created_at: CREATED, updated_at: CREATED };
  await insert("tenants", { id: "bare", ...times });
  await insert("tenants", {
    id: "acme",
    name: "Acme",
    policy: '{"upload":{"maxBytes":5}}',
    limits: '{"pending":3}',
    upstream: "eu",
    suspended: 1,
    abandoned: "keep",
    ...times,
  });
  const key = { tenant: "acme", hash: HASH.toBase64(), scopes: '["uploads:create"]', created_at: CREATED };
  await insert("api_keys", { id: "current", name: "backend", ...key, expires_at: CREATED + 1_000 });
  await insert("api_keys", { id: "revoked", name: "old", ...key, revoked_at: CREATED + 1 });
  const issuer = {
    iss: "https://idp.example/",
    audience: "sluice",
    subject_claim: "sub",
    scopes: '["uploads:create"]',
  };
  const asymmetric = { algorithms: '["RS256"]', tenant_claim: "org" };
  await insert("issuers", { id: "by-url", ...issuer, ...asymmetric, jwks_url: "https://idp.example/jwks" });
  await insert("issuers", { id: "by-keys", ...issuer, ...asymmetric, jwks: JSON.stringify({ keys: [RSA_KEY] }) });
  await insert("issuers", {
    id: "shared",
    ...issuer,
    algorithms: '["HS256"]',
    sealed_secret: SEALED_ISSUER_SECRET,
    tenant: "acme",
  });
}

/** With what migration 3 added. */
async function fillVersion3(): Promise<void> {
  const endpoint = { tenant: "acme", url: "https://hooks.acme.com/", created_at: CREATED, updated_at: CREATED };
  await insert("endpoints", { id: "main", ...endpoint, sealed_secrets: SEALED_ENDPOINT_SECRETS });
  await insert("audit", {
    at: CREATED,
    actor: "operator",
    action: "tenant.put",
    target: "acme",
    tenant: "acme",
    details: '{"name":"Acme","policy":{},"limits":{},"upstream":"eu","suspended":true,"abandoned":"keep"}',
  });
}

const config = parseConfig(env);
const encryption = createFieldEncryption(config.masterKeys);
const openRegistry = () => createRegistry(env.DB, config, encryption, Date.now);
const openAdminRegistry = () =>
  createAdminRegistry(env.DB, encryption, Date.now, {
    onWrite: () => {},
    onPlanChanged: async () => 0,
    onTenantChanged: async () => {},
  });
const FIRST_PAGE = { cursor: "", limit: 100 };

describe("the migrations, applied to a database of version 1", () => {
  beforeEach(async () => {
    await reset();
    await migrateTo(1);
    await fillVersion1();
    await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
  });

  it("keep tenants", async () => {
    const registry = openRegistry();
    expect(await registry.tenant("acme")).toMatchObject({
      ok: true,
      value: {
        id: "acme",
        limits: { pending: 3 },
        upstream: "eu",
        suspended: true,
        unfinishedUploads: "keep",
        version: 0,
      },
    });
    expect(await registry.tenant("bare")).toMatchObject({
      ok: true,
      value: { limits: {}, upstream: "default", suspended: false, unfinishedUploads: "delete", version: 0 },
    });
    const times = { createdAt: "2026-01-01T00:00:00.000Z", updatedAt: "2026-01-01T00:00:00.000Z" };
    expect(await openAdminRegistry().tenants.list(FIRST_PAGE)).toEqual([
      {
        id: "acme",
        name: "Acme",
        policy: { upload: { maxBytes: 5 } },
        limits: { pending: 3 },
        upstream: "eu",
        suspended: true,
        unfinishedUploads: "keep",
        ...times,
      },
      {
        id: "bare",
        policy: {},
        limits: {},
        upstream: "default",
        suspended: false,
        unfinishedUploads: "delete",
        ...times,
      },
    ]);
  });

  it("keep API keys", async () => {
    const registry = openRegistry();
    const key = { tenant: "acme", hash: HASH, scopes: new Set(["uploads:create"]), version: 0 };
    expect(await registry.apiKey("current")).toEqual({
      ok: true,
      value: { id: "current", ...key, expiresAt: CREATED + 1_000, revoked: false },
    });
    expect(await registry.apiKey("revoked")).toEqual({ ok: true, value: { id: "revoked", ...key, revoked: true } });
    const document = { scopes: ["uploads:create"], createdAt: "2026-01-01T00:00:00.000Z" };
    expect(await openAdminRegistry().apiKeys.list("acme", FIRST_PAGE)).toEqual([
      { id: "current", name: "backend", ...document, expiresAt: "2026-01-01T00:00:01.000Z" },
      { id: "revoked", name: "old", ...document, revokedAt: "2026-01-01T00:00:00.001Z" },
    ]);
  });

  it("keep issuers and their secrets", async () => {
    const issuers = await openRegistry().issuers("https://idp.example/");
    expect(issuers).toMatchObject({
      ok: true,
      value: [
        { id: "by-keys", keys: { kind: "jwks", jwks: { keys: [RSA_KEY] } }, tenant: { kind: "claim", claim: "org" } },
        { id: "by-url", keys: { kind: "jwks-url", url: "https://idp.example/jwks" } },
        {
          id: "shared",
          keys: { kind: "secrets", secrets: [new TextEncoder().encode("a-shared-secret-of-32-bytes-or-more")] },
          tenant: { kind: "fixed", id: "acme" },
          version: 0,
        },
      ],
    });
    const documents = await openAdminRegistry().issuers.list(FIRST_PAGE);
    expect(documents.map(({ id }) => id)).toEqual(["by-keys", "by-url", "shared"]);
    expect(documents.map(({ maxGrantSeconds }) => maxGrantSeconds)).toEqual([3_600, 3_600, 3_600]);
  });

  it("keep upstreams and their credentials, without webhook secrets", async () => {
    expect(await openRegistry().upstream("eu")).toMatchObject({
      ok: true,
      value: {
        id: "eu",
        accountId: "account",
        apiBase: "https://api.example/v4",
        uploadHosts: ["up.example"],
        credential: { kind: "token", token: "stream-token" },
        webhookSecrets: [],
      },
    });
    expect(await openAdminRegistry().upstreams.get("eu")).toEqual({
      id: "eu",
      accountId: "account",
      apiBase: "https://api.example/v4",
      uploadHosts: ["up.example"],
    });
    expect(await createRegistryIndex(env.DB, {}).listTenantIds("eu", { after: "", limit: 9 })).toEqual({
      ok: true,
      value: ["acme"],
    });
  });

  it("leave endpoints, the audit log and the reconciliations empty", async () => {
    expect(await openRegistry().endpoints("acme")).toEqual({ ok: true, value: [] });
    expect(await openAdminRegistry().audit({ before: Number.MAX_SAFE_INTEGER, limit: 9 })).toEqual([]);
    expect(await createReconciliationStates(env.DB).read("eu")).toMatchObject({ ok: true, value: { revision: 0 } });
  });

  it("allow changes to the old rows", async () => {
    const { tenants } = openAdminRegistry();
    const acme = await tenants.get("acme");
    if (!acme) throw new Error("The tenant is missing.");
    expect(await tenants.put("acme", { ...acme, suspended: false })).toMatchObject({
      ok: true,
      value: { created: false },
    });
    const tenant = await openRegistry().tenant("acme");
    expect(tenant).toMatchObject({ ok: true, value: { suspended: false, unfinishedUploads: "keep" } });
    expect(tenant.ok && tenant.value?.version).toBeGreaterThan(0);
  });
});

describe("the migrations, applied to a database of version 3", () => {
  beforeEach(async () => {
    await reset();
    await migrateTo(3);
    await fillVersion1();
    await fillVersion3();
    await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
  });

  it("keep endpoints and their secrets", async () => {
    expect(await openRegistry().endpoints("acme")).toEqual({
      ok: true,
      value: [
        {
          id: "main",
          tenant: "acme",
          url: "https://hooks.acme.com/",
          secrets: ["whsec_one"],
          disabled: false,
          created: CREATED / 1000,
          slow: false,
        },
      ],
    });
  });

  it("keep the audit log, which names settings as the documents do", async () => {
    expect(await openAdminRegistry().audit({ before: Number.MAX_SAFE_INTEGER, limit: 9, tenant: "acme" })).toEqual([
      {
        id: "1",
        at: "2026-01-01T00:00:00.000Z",
        actor: "operator",
        action: "tenant.put",
        target: "acme",
        tenant: "acme",
        details: {
          name: "Acme",
          policy: {},
          limits: {},
          upstream: "eu",
          suspended: true,
          unfinishedUploads: "keep",
        },
      },
    ]);
  });
});
