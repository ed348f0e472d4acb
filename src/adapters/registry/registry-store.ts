import type { Sealing } from "../sealing.ts";
import type { ApiKeyRow, IssuerRow, TenantRow, UpstreamRow } from "./rows.ts";

/** Writes the registry, and reads it past the cache: for the operator, who wants to see what is there now. */
export type RegistryStore = ReturnType<typeof createRegistryStore>;

/** Rows as the operator's documents give them; sealed columns come unsealed. */
export type NewTenant = Omit<TenantRow, "created_at" | "updated_at">;
export type NewApiKey = Omit<ApiKeyRow, "revoked_at">;
export type NewIssuer = Omit<IssuerRow, "sealed_secret"> & { readonly secret: string | null };
export type NewUpstream = Omit<UpstreamRow, "sealed_credential"> & { readonly credential: string };

export interface Page {
  /** Rows beyond this id. */
  readonly after: string;
  readonly limit: number;
}

/** @param changed called after every write, before it is answered */
export function createRegistryStore(db: D1Database, sealing: Sealing, now: () => number, changed: () => void) {
  const write = async (...statements: D1PreparedStatement[]) => {
    const results = await db.batch(statements);
    changed();
    return results.at(-1)?.meta.changes ?? 0;
  };
  const page = async <Row>(table: "tenants" | "issuers" | "upstreams", { after, limit }: Page) =>
    (await db.prepare(`SELECT * FROM ${table} WHERE id > ? ORDER BY id LIMIT ?`).bind(after, limit).all<Row>()).results;
  const one = <Row>(table: "tenants" | "issuers" | "upstreams", id: string) =>
    db.prepare(`SELECT * FROM ${table} WHERE id = ?`).bind(id).first<Row>();

  return {
    tenant: (id: string) => one<TenantRow>("tenants", id),
    tenants: (at: Page) => page<TenantRow>("tenants", at),
    issuer: (id: string) => one<IssuerRow>("issuers", id),
    issuers: (at: Page) => page<IssuerRow>("issuers", at),
    upstream: (id: string) => one<UpstreamRow>("upstreams", id),
    upstreams: (at: Page) => page<UpstreamRow>("upstreams", at),

    putTenant({ id, name, policy, limits, upstream, suspended, abandoned }: NewTenant) {
      return write(
        db
          .prepare(
            `INSERT INTO tenants (id, name, policy, limits, upstream, suspended, abandoned, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
             ON CONFLICT (id) DO UPDATE SET name = ?2, policy = ?3, limits = ?4, upstream = ?5, suspended = ?6,
               abandoned = ?7, updated_at = ?8`,
          )
          .bind(id, name, policy, limits, upstream, suspended, abandoned, now()),
      );
    },

    /** Its keys and the issuers that speak for it go with it. */
    deleteTenant: (id: string) =>
      write(
        db.prepare("DELETE FROM api_keys WHERE tenant = ?").bind(id),
        db.prepare("DELETE FROM issuers WHERE tenant = ?").bind(id),
        db.prepare("DELETE FROM tenants WHERE id = ?").bind(id),
      ),

    apiKeys: async (tenant: string) =>
      (
        await db
          .prepare("SELECT * FROM api_keys WHERE tenant = ? ORDER BY created_at, id")
          .bind(tenant)
          .all<ApiKeyRow>()
      ).results,

    insertApiKey({ id, tenant, name, hash, scopes, created_at, expires_at }: NewApiKey) {
      return write(
        db
          .prepare(
            `INSERT INTO api_keys (id, tenant, name, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
          )
          .bind(id, tenant, name, hash, scopes, created_at, expires_at),
      );
    },

    /** Counts the rows found: a key that is revoked already is found too. */
    revokeApiKey: (tenant: string, id: string) =>
      write(
        db
          .prepare("UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?3) WHERE tenant = ?1 AND id = ?2")
          .bind(tenant, id, now()),
      ),

    async putIssuer({ secret, ...row }: NewIssuer) {
      const sealed = secret === null ? null : await sealing.seal(secret, `issuer:${row.id}`);
      return write(
        db
          .prepare(
            `INSERT OR REPLACE INTO issuers
               (id, iss, audience, algorithms, jwks_url, jwks, sealed_secret, tenant, tenant_claim, subject_claim, scopes)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          )
          .bind(
            row.id,
            row.iss,
            row.audience,
            row.algorithms,
            row.jwks_url,
            row.jwks,
            sealed,
            row.tenant,
            row.tenant_claim,
            row.subject_claim,
            row.scopes,
          ),
      );
    },

    deleteIssuer: (id: string) => write(db.prepare("DELETE FROM issuers WHERE id = ?").bind(id)),

    async putUpstream({ id, account_id, api_base, upload_hosts, credential }: NewUpstream) {
      const sealed = await sealing.seal(credential, `upstream:${id}`);
      return write(
        db
          .prepare(
            `INSERT OR REPLACE INTO upstreams (id, account_id, api_base, upload_hosts, sealed_credential)
             VALUES (?, ?, ?, ?, ?)`,
          )
          .bind(id, account_id, api_base, upload_hosts, sealed),
      );
    },

    /** Deletes it unless a tenant is on it, in one statement: a tenant may be put there meanwhile. */
    deleteUpstream: (id: string) =>
      write(
        db
          .prepare("DELETE FROM upstreams WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM tenants WHERE upstream = ?1)")
          .bind(id),
      ),
  };
}
