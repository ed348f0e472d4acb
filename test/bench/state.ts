import { createHash, generateKeyPairSync } from "node:crypto";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DEMO_POLICY } from "../../src/cli/seed-demo.ts";
import { API_KEY_ID_CHARACTERS, API_KEY_SECRET_CHARACTERS, formatApiKey } from "../../src/core/auth/rules/api-key.ts";
import { type Credentials, makeIssuers } from "./credentials.ts";

/** The measured tenant. */
export const TENANT = "acme";
/** A tenant with the same policy, on a plan. */
export const PLAN_TENANT = "acme-plan";
export const OPERATOR_TOKEN = "operator-token-of-the-bench";
/** Number of other tenants in the large database. */
const OTHER_TENANTS = 99_999;

/** An object's database file; beside it may be its write-ahead log, metadata and alarms. */
const DATABASE = /^[0-9a-f]{64}\.sqlite$/;

/** Creates the tenant and one credential of each kind through the public APIs. */
export async function seed(port: number): Promise<Credentials> {
  const call = async (method: string, path: string, token: string, body: unknown) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Record<string, string>;
  };
  await call("PUT", `/admin/v1/tenants/${TENANT}`, OPERATOR_TOKEN, { name: "Acme", policy: DEMO_POLICY });
  await call("PUT", "/admin/v1/plans/free", OPERATOR_TOKEN, { policy: DEMO_POLICY });
  await call("PUT", `/admin/v1/tenants/${PLAN_TENANT}`, OPERATOR_TOKEN, { name: "Acme", plan: "free" });
  const { key: planKey = "" } = await call("POST", `/admin/v1/tenants/${PLAN_TENANT}/keys`, OPERATOR_TOKEN, {
    name: "bench",
  });
  const { key = "" } = await call("POST", `/admin/v1/tenants/${TENANT}/keys`, OPERATOR_TOKEN, { name: "bench" });
  const issuers = await makeIssuers(TENANT);
  for (const { id, document } of issuers) await call("PUT", `/admin/v1/issuers/${id}`, OPERATOR_TOKEN, document);
  const grant = await call("POST", `/v1/${TENANT}/grants`, key, { subject: "user-1", expiresIn: GRANT_SECONDS });
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const signingKey = { id: "bench", jwk: privateKey.export({ format: "jwk" }) };
  await call("POST", "/admin/v1/upstreams/default/signing-keys", OPERATOR_TOKEN, signingKey);
  const created = await fetch(`http://127.0.0.1:${port}/v1/${TENANT}/uploads`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Tus-Resumable": "1.0.0", "Upload-Length": "52428800" },
  });
  const upload = created.headers.get("sluice-upload-id");
  if (upload === null) throw new Error(`POST uploads: ${created.status} ${await created.text()}`);
  return { key, planKey, grant: grant["grant"] ?? "", upload, jwts: new Map(issuers.map(({ id, jwt }) => [id, jwt])) };
}

/** Longer than the longest run. */
const GRANT_SECONDS = 3_600;

/** Copies a database and adds tenants with a key each, directly in the file, which no workerd has open. */
export async function addTenants(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true });
  for (const path of await databasesIn(join(to, "v3", "d1", "miniflare-D1DatabaseObject"))) insertTenants(path);
}

/** A tenant and its key. */
export interface TenantKey {
  readonly tenant: string;
  readonly key: string;
}

/** Copies a database and adds tenants with valid keys, for concurrent creations. */
export async function addActiveTenants(from: string, to: string, tenants: number): Promise<TenantKey[]> {
  await cp(from, to, { recursive: true });
  const added = Array.from({ length: tenants }, (_, index) => {
    const id = String(index).padStart(API_KEY_ID_CHARACTERS, "0");
    return { tenant: `active-${index}`, ...formatApiKey(id, "0".repeat(API_KEY_SECRET_CHARACTERS)) };
  });
  for (const path of await databasesIn(join(to, "v3", "d1", "miniflare-D1DatabaseObject"))) {
    const database = new DatabaseSync(path);
    const insertTenant = database.prepare(`
      INSERT INTO tenants (id, name, policy, created_at, updated_at)
        SELECT ?, name, policy, created_at, updated_at FROM tenants WHERE id = '${TENANT}'`);
    const insertKey = database.prepare(`
      INSERT INTO api_keys (id, tenant, name, hash, scopes, created_at)
        SELECT ?, ?, name, ?, scopes, created_at FROM api_keys WHERE tenant = '${TENANT}'`);
    database.exec("BEGIN");
    for (const { tenant, id, text } of added) {
      insertTenant.run(tenant);
      insertKey.run(id, tenant, createHash("sha256").update(text).digest("base64"));
    }
    database.exec("COMMIT");
    database.close();
  }
  return added.map(({ tenant, text }) => ({ tenant, key: text }));
}

async function databasesIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((file) => DATABASE.test(file)).map((file) => join(folder, file));
}

function insertTenants(path: string): void {
  const database = new DatabaseSync(path);
  const numbers = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${OTHER_TENANTS})`;
  database.exec(`
    BEGIN;
    ${numbers} INSERT INTO tenants (id, name, policy, created_at, updated_at)
      SELECT 'tenant-' || i, 'Tenant ' || i, policy, created_at, updated_at FROM n, tenants WHERE id = '${TENANT}';
    ${numbers} INSERT INTO api_keys (id, tenant, name, hash, scopes, created_at)
      SELECT printf('%016d', i), 'tenant-' || i, name, hash, scopes, created_at FROM n, api_keys WHERE tenant = '${TENANT}';
    COMMIT;`);
  const row = database.prepare("SELECT count(*) AS tenants FROM tenants").get();
  database.close();
  if (row?.["tenants"] !== OTHER_TENANTS + 1)
    throw new Error(`${path} has ${String(row?.["tenants"])} tenants, expected ${OTHER_TENANTS + 1}.`);
}

/** Copies a state and adds finished uploads to the tenant's ledger. */
export async function addUploads(from: string, to: string, uploads: number): Promise<void> {
  await cp(from, to, { recursive: true });
  for (const path of await databasesIn(join(to, "v3", "do", "sluice-TenantLedger"))) insertUploads(path, uploads);
}

/** SQLite cache for indexing a million uploads: with the default 2 MB it takes twice as long. */
const INDEXES_KIB = 400_000;

function insertUploads(path: string, uploads: number): void {
  const database = new DatabaseSync(path);
  // workerd keeps its own data in hidden tables; rows inserted here are read like the object's own.
  database.exec(`
    PRAGMA cache_size = ${-INDEXES_KIB};
    BEGIN;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${uploads})
    INSERT INTO uploads (id, state, creator, uid, upstream, bytes, seconds, created, expires, due)
      SELECT printf('018bcfe5-%04x-7000-8000-%012x', i * 65535 / ${uploads}, i), 'ready', 'user-' || (i % 1000), printf('%032x', i),
        'default', 1000, 60, 1700000000 + i, 1700001800 + i, NULL FROM n;
    UPDATE ledger SET totals = json_set(totals, '$.storedSeconds', 60 * ${uploads}, '$.videos', ${uploads});
    COMMIT;`);
  database.close();
}
