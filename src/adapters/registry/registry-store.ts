import { DEFAULT_UPSTREAM } from "../../domain/tenant.ts";
import type { Sealing } from "../sealing.ts";
import {
  type ApiKeyRow,
  type IssuerRow,
  type TenantRow,
  type UpstreamRow,
  credentialPlace,
  secretPlace,
} from "./rows.ts";

/** Writes the registry, and reads it past the cache: for the operator, who wants to see what is there now. */
export type RegistryStore = ReturnType<typeof createRegistryStore>;

/** Rows as the operator's documents give them; sealed columns come unsealed. */
export type NewTenant = Omit<TenantRow, "created_at" | "updated_at" | "version">;
export type NewApiKey = Omit<ApiKeyRow, "revoked_at">;
export type NewIssuer = Omit<IssuerRow, "sealed_secret"> & { readonly secret: string | null };
export type NewUpstream = Omit<UpstreamRow, "sealed_credential"> & { readonly credential: string };

export interface Page {
  /** Rows beyond this id. */
  readonly after: string;
  readonly limit: number;
}

/** The database cannot be asked. Whether a change that it was asked for has been made is not known. */
export class RegistryUnavailable extends Error {
  override readonly name = "RegistryUnavailable";
}

type Query = readonly [sql: string, values: readonly (string | number | null)[]];

/** Who is told of changes, before they are answered. */
export interface Listeners {
  /** Of every write, with a bookmark of the database as it is then. */
  changed(bookmark: D1SessionBookmark | null): void;
  /** Of a tenant's new version: when it, one of its keys or one of its issuers has changed. */
  told(tenant: string, version: number): Promise<void>;
}

export function createRegistryStore(db: D1Database, sealing: Sealing, now: () => number, listeners: Listeners) {
  /** Counts the rows that the last of the queries changed. */
  const write = async (...queries: readonly Query[]) => {
    const session = db.withSession("first-primary");
    const statements = queries.map(([sql, values]) => session.prepare(sql).bind(...values));
    try {
      const results = await available(session.batch(statements));
      return results.at(-1)?.meta.changes ?? 0;
    } finally {
      listeners.changed(session.getBookmark());
    }
  };
  /**
   * Writes what belongs to a tenant, and tells its ledger: from then on nothing is accepted that was decided by what had
   * been before. A tenant that is no more is told of as one that has changed.
   */
  const writeFor = async (tenant: string, ...queries: readonly Query[]) => {
    const changes = await write(...queries);
    if (changes === 0) return 0;
    const row = await one<TenantRow>("tenants", tenant);
    await available(listeners.told(tenant, row?.version ?? now()));
    return changes;
  };
  const grow = (tenant: string): Query => [
    "UPDATE tenants SET version = max(version + 1, ?2) WHERE id = ?1",
    [tenant, now()],
  ];
  const all = async <Row>(...[sql, values]: Query) =>
    (
      await available(
        db
          .prepare(sql)
          .bind(...values)
          .all<Row>(),
      )
    ).results;
  const page = <Row>(table: "tenants" | "issuers" | "upstreams", { after, limit }: Page) =>
    all<Row>(`SELECT * FROM ${table} WHERE id > ? ORDER BY id LIMIT ?`, [after, limit]);
  const one = <Row>(table: "tenants" | "issuers" | "upstreams", id: string) =>
    available(db.prepare(`SELECT * FROM ${table} WHERE id = ?`).bind(id).first<Row>());

  return {
    tenant: (id: string) => one<TenantRow>("tenants", id),
    tenants: (at: Page) => page<TenantRow>("tenants", at),
    issuer: (id: string) => one<IssuerRow>("issuers", id),
    issuers: (at: Page) => page<IssuerRow>("issuers", at),
    upstream: (id: string) => one<UpstreamRow>("upstreams", id),
    upstreams: (at: Page) => page<UpstreamRow>("upstreams", at),
    apiKeys: (tenant: string, { after, limit }: Page) =>
      all<ApiKeyRow>("SELECT * FROM api_keys WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?", [tenant, after, limit]),

    /** 0 where there is no such upstream; asked in the same statement, since it may be deleted meanwhile. */
    putTenant({ id, name, policy, limits, upstream, suspended, abandoned }: NewTenant) {
      return writeFor(id, [
        `INSERT INTO tenants (id, name, policy, limits, upstream, suspended, abandoned, created_at, updated_at, version)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?8
           WHERE ?5 = '${DEFAULT_UPSTREAM}' OR EXISTS (SELECT 1 FROM upstreams WHERE id = ?5)
         ON CONFLICT (id) DO UPDATE SET name = ?2, policy = ?3, limits = ?4, upstream = ?5, suspended = ?6,
           abandoned = ?7, updated_at = ?8, version = max(version + 1, ?8)`,
        [id, name, policy, limits, upstream, suspended, abandoned, now()],
      ]);
    },

    /** Its keys and the issuers that speak for it go with it. */
    deleteTenant: (id: string) =>
      writeFor(
        id,
        ["DELETE FROM api_keys WHERE tenant = ?", [id]],
        ["DELETE FROM issuers WHERE tenant = ?", [id]],
        ["DELETE FROM tenants WHERE id = ?", [id]],
      ),

    /** 0 where there is no such tenant. */
    insertApiKey({ id, tenant, name, hash, scopes, created_at, expires_at }: NewApiKey) {
      return write([
        `INSERT INTO api_keys (id, tenant, name, hash, scopes, created_at, expires_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM tenants WHERE id = ?2)`,
        [id, tenant, name, hash, scopes, created_at, expires_at],
      ]);
    },

    /** Counts the rows found: a key that is revoked already is found too. */
    revokeApiKey: (tenant: string, id: string) =>
      writeFor(tenant, grow(tenant), [
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?3) WHERE tenant = ?1 AND id = ?2",
        [tenant, id, now()],
      ]),

    async putIssuer({ secret, ...row }: NewIssuer) {
      const sealed = secret === null ? null : await sealing.seal(secret, secretPlace(row));
      const identity = [row.id, row.iss, row.audience, row.algorithms];
      const keys = [row.jwks_url, row.jwks, sealed];
      const queries: Query[] = row.tenant === null ? [] : [grow(row.tenant)];
      queries.push([
        `INSERT OR REPLACE INTO issuers
           (id, iss, audience, algorithms, jwks_url, jwks, sealed_secret, tenant, tenant_claim, subject_claim, scopes)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        [...identity, ...keys, row.tenant, row.tenant_claim, row.subject_claim, row.scopes],
      ]);
      return row.tenant === null ? write(...queries) : writeFor(row.tenant, ...queries);
    },

    async deleteIssuer(id: string) {
      const tenant = (await one<IssuerRow>("issuers", id))?.tenant;
      const query: Query = ["DELETE FROM issuers WHERE id = ?", [id]];
      return tenant ? writeFor(tenant, grow(tenant), query) : write(query);
    },

    async putUpstream({ credential, ...row }: NewUpstream) {
      const sealed = await sealing.seal(credential, credentialPlace(row));
      return write([
        `INSERT OR REPLACE INTO upstreams (id, account_id, api_base, upload_hosts, sealed_credential, calls_per_window)
         VALUES (?, ?, ?, ?, ?, ?)`,
        [row.id, row.account_id, row.api_base, row.upload_hosts, sealed, row.calls_per_window],
      ]);
    },

    /** Deletes it unless a tenant is on it, in one statement: a tenant may be put there meanwhile. */
    deleteUpstream: (id: string) =>
      write(["DELETE FROM upstreams WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM tenants WHERE upstream = ?1)", [id]]),
  };
}

async function available<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw new RegistryUnavailable(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
