import { DEFAULT_UPSTREAM } from "../../core/shared/tenant.ts";
import type { FieldEncryption } from "./field-encryption.ts";
import type { AuditRow } from "./audit-log.ts";
import { type Listeners, createDatabase } from "./database.ts";
import { type Query } from "./query.ts";
import { createEndpointStore } from "./endpoint-store.ts";
import {
  type ApiKeyRow,
  type IssuerRow,
  type TenantRow,
  type UpstreamRow,
  credentialContext,
  issuerSecretContext,
  webhookContext,
  webhookSecretsOf,
} from "./rows.ts";

/** The newest secret, and the one that it replaces. */
const ROTATED_SECRETS = 2;

/** Of issuers that nobody's ledger need be told of; the operator's documents always have a scope. */
const REVOKED = "(tenant IS NULL OR scopes = '[]')";

/** Whether the tenant named first has been deleted, ever: its ledger is kept under its name. */
const WAS_DELETED = "EXISTS (SELECT 1 FROM audit WHERE tenant = ?1 AND action = 'tenant.delete')";

/** Writes the registry, and reads it past the cache: for the operator, who wants to see what is there now. */
export type RegistryStore = ReturnType<typeof createRegistryStore>;

/** Rows as the operator's documents give them; sealed columns come unsealed. */
export type NewTenant = Omit<TenantRow, "created_at" | "updated_at" | "version">;
export type NewApiKey = Omit<ApiKeyRow, "revoked_at">;
export type NewIssuer = Omit<IssuerRow, "sealed_secret"> & { readonly secret: string | null };
export type NewUpstream = Omit<UpstreamRow, "sealed_credential" | "sealed_webhook_secrets"> & {
  readonly credential: string;
  /** Undefined: those that are there. */
  readonly webhookSecrets?: readonly string[] | undefined;
};

export interface Page {
  /** Rows beyond this id. */
  readonly after: string;
  readonly limit: number;
}

export interface AuditQuery {
  /** Entries older than this one. */
  readonly before: number;
  readonly limit: number;
  readonly tenant?: string;
}

export function createRegistryStore(db: D1Database, sealing: FieldEncryption, now: () => number, listeners: Listeners) {
  const database = createDatabase(db, now, listeners);
  const { all, first, write, writeFor, bumpVersion } = database;
  const sealSecrets = async (row: Pick<UpstreamRow, "id" | "account_id">, secrets: readonly string[]) =>
    secrets.length === 0 ? null : sealing.seal(JSON.stringify(secrets), webhookContext(row));
  const page = <Row>(table: "tenants" | "issuers" | "upstreams", { after, limit }: Page) =>
    all<Row>(`SELECT * FROM ${table} WHERE id > ? ORDER BY id LIMIT ?`, [after, limit]);
  const one = <Row>(table: "tenants" | "issuers" | "upstreams", id: string) =>
    first<Row>(`SELECT * FROM ${table} WHERE id = ?`, [id]);

  /**
   * Makes an issuer good for nothing, and tells the ledger of the tenant that it speaks for. Only then may the row go to
   * another tenant, or go: whatever fails on the way, whoever tries again still finds in it whom to tell.
   */
  const revokeIssuer = async ({ id, tenant }: IssuerRow) => {
    if (tenant === null) return;
    const query: Query = ["UPDATE issuers SET scopes = '[]' WHERE id = ? AND tenant = ?", [id, tenant]];
    await writeFor(tenant, [bumpVersion(tenant), query]);
  };

  const deleteIssuer = async (id: string): Promise<number> => {
    const before = await one<IssuerRow>("issuers", id);
    if (!before) return 0;
    await revokeIssuer(before);
    const query: Query = [`DELETE FROM issuers WHERE id = ? AND ${REVOKED}`, [id]];
    const deleted = await write([query], { action: "issuer.delete", target: id, tenant: before.tenant });
    // Where another call has put it meanwhile, it is to be withdrawn anew.
    return deleted > 0 ? deleted : deleteIssuer(id);
  };

  return {
    ...createEndpointStore(database, sealing),

    tenant: (id: string) => one<TenantRow>("tenants", id),
    tenants: (at: Page) => page<TenantRow>("tenants", at),
    issuer: (id: string) => one<IssuerRow>("issuers", id),
    issuers: (at: Page) => page<IssuerRow>("issuers", at),
    upstream: (id: string) => one<UpstreamRow>("upstreams", id),
    upstreams: (at: Page) => page<UpstreamRow>("upstreams", at),
    apiKeys: (tenant: string, { after, limit }: Page) =>
      all<ApiKeyRow>("SELECT * FROM api_keys WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?", [tenant, after, limit]),

    hasBeenDeleted: async (tenant: string) =>
      (await first<{ deleted: number }>(`SELECT ${WAS_DELETED} AS deleted`, [tenant]))?.deleted === 1,

    /**
     * 0 where there is no such upstream, or where it would be a new tenant with the ledger of one that has been deleted,
     * which only `restore` permits; asked in the same statement, since either may be deleted meanwhile.
     */
    putTenant({ id, name, policy, limits, upstream, suspended, abandoned }: NewTenant, restore = false) {
      const query: Query = [
        `INSERT INTO tenants (id, name, policy, limits, upstream, suspended, abandoned, created_at, updated_at, version)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?8
           WHERE (?5 = '${DEFAULT_UPSTREAM}' OR EXISTS (SELECT 1 FROM upstreams WHERE id = ?5))
             AND (?9 OR EXISTS (SELECT 1 FROM tenants WHERE id = ?1) OR NOT ${WAS_DELETED})
         ON CONFLICT (id) DO UPDATE SET name = ?2, policy = ?3, limits = ?4, upstream = ?5, suspended = ?6,
           abandoned = ?7, updated_at = ?8, version = max(version + 1, ?8)`,
        [id, name, policy, limits, upstream, suspended, abandoned, now(), restore ? 1 : 0],
      ];
      const documents = { policy: JSON.parse(policy) as unknown, limits: JSON.parse(limits) as unknown };
      const details = { name, ...documents, upstream, suspended: suspended !== 0, abandoned };
      return writeFor(id, [query], { action: "tenant.put", target: id, tenant: id, details });
    },

    /** Its keys, its endpoints and the issuers that speak for it go with it. */
    deleteTenant: (id: string) =>
      writeFor(
        id,
        [
          ["DELETE FROM api_keys WHERE tenant = ?", [id]],
          ["DELETE FROM issuers WHERE tenant = ?", [id]],
          ["DELETE FROM endpoints WHERE tenant = ?", [id]],
          ["DELETE FROM tenants WHERE id = ? RETURNING version", [id]],
        ],
        { action: "tenant.delete", target: id, tenant: id },
      ),

    /** 0 where there is no such tenant. */
    insertApiKey({ id, tenant, name, hash, scopes, created_at, expires_at }: NewApiKey) {
      const query: Query = [
        `INSERT INTO api_keys (id, tenant, name, hash, scopes, created_at, expires_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM tenants WHERE id = ?2)`,
        [id, tenant, name, hash, scopes, created_at, expires_at],
      ];
      const details = { name, scopes: JSON.parse(scopes) as unknown, expiresAt: expires_at };
      return write([query], { action: "key.create", target: id, tenant, details });
    },

    /** Counts the rows found: a key that is revoked already is found too. */
    revokeApiKey: (tenant: string, id: string) =>
      writeFor(
        tenant,
        [
          bumpVersion(tenant),
          [
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?3) WHERE tenant = ?1 AND id = ?2",
            [tenant, id, now()],
          ],
        ],
        { action: "key.revoke", target: id, tenant },
      ),

    async putIssuer({ secret, ...row }: NewIssuer) {
      const before = await one<IssuerRow>("issuers", row.id);
      if (before && before.tenant !== row.tenant) await revokeIssuer(before);
      const sealed = secret === null ? null : await sealing.seal(secret, issuerSecretContext(row));
      const identity = [row.id, row.iss, row.audience, row.algorithms];
      const keys = [row.jwks_url, row.jwks, sealed];
      const queries: Query[] = row.tenant === null ? [] : [bumpVersion(row.tenant)];
      queries.push(
        // One that another call has put meanwhile stays, and has this one fail.
        [`DELETE FROM issuers WHERE id = ? AND (tenant = ? OR ${REVOKED})`, [row.id, row.tenant]],
        [
          `INSERT INTO issuers
             (id, iss, audience, algorithms, jwks_url, jwks, sealed_secret, tenant, tenant_claim, subject_claim, scopes)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          [...identity, ...keys, row.tenant, row.tenant_claim, row.subject_claim, row.scopes],
        ],
      );
      const { iss, audience, tenant, jwks_url, tenant_claim } = row;
      const details = { issuer: iss, audience, jwksUrl: jwks_url, tenantClaim: tenant_claim };
      const entry = { action: "issuer.put", target: row.id, tenant, details } as const;
      return tenant === null ? write(queries, entry) : writeFor(tenant, queries, entry);
    },

    deleteIssuer,

    /**
     * 0 where it would be of another account, while tenants are on it: their videos would seem to be gone.
     *
     * The secrets of a webhook that was registered from here are known to nobody who could send them again.
     */
    async putUpstream({ credential, webhookSecrets, ...row }: NewUpstream) {
      const sealed = await sealing.seal(credential, credentialContext(row));
      const account = [row.id, row.account_id, row.api_base, row.upload_hosts, sealed, row.calls_per_window];
      const query: Query = [
        `INSERT INTO upstreams
           (id, account_id, api_base, upload_hosts, sealed_credential, calls_per_window, sealed_webhook_secrets)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET account_id = ?2, api_base = ?3, upload_hosts = ?4, sealed_credential = ?5,
           calls_per_window = ?6, sealed_webhook_secrets =
             CASE WHEN ?8 THEN ?7 WHEN account_id = ?2 THEN sealed_webhook_secrets END
           WHERE account_id = ?2 OR NOT EXISTS (SELECT 1 FROM tenants WHERE upstream = ?1)`,
        [...account, await sealSecrets(row, webhookSecrets ?? []), webhookSecrets === undefined ? 0 : 1],
      ];
      const details = {
        accountId: row.account_id,
        apiBase: row.api_base,
        callsPerWindow: row.calls_per_window,
        ...(webhookSecrets && { webhookSecrets: webhookSecrets.length }),
      };
      return write([query], { action: "upstream.put", target: row.id, details });
    },

    /** Makes a secret the newest one; the one before stays valid. 0 where there is no such upstream, or of another account. */
    async rotateWebhookSecret(upstream: Pick<UpstreamRow, "id" | "account_id">, secret: string, url: string) {
      const sealed = (await one<UpstreamRow>("upstreams", upstream.id))?.sealed_webhook_secrets;
      const before = sealed ? await sealing.open(sealed, webhookContext(upstream)) : undefined;
      const kept = webhookSecretsOf(before).filter((one) => one !== secret);
      const query: Query = [
        "UPDATE upstreams SET sealed_webhook_secrets = ?3 WHERE id = ?1 AND account_id = ?2",
        [upstream.id, upstream.account_id, await sealSecrets(upstream, [secret, ...kept].slice(0, ROTATED_SECRETS))],
      ];
      return write([query], { action: "upstream.register", target: upstream.id, details: { url } });
    },

    /** Deletes it unless a tenant is on it, in one statement: a tenant may be put there meanwhile. */
    deleteUpstream: (id: string) =>
      write(
        [["DELETE FROM upstreams WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM tenants WHERE upstream = ?1)", [id]]],
        { action: "upstream.delete", target: id },
      ),

    /** The newest first. */
    audit: ({ before, limit, tenant }: AuditQuery) =>
      tenant === undefined
        ? all<AuditRow>("SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?", [before, limit])
        : all<AuditRow>("SELECT * FROM audit WHERE tenant = ? AND id < ? ORDER BY id DESC LIMIT ?", [
            tenant,
            before,
            limit,
          ]),
  };
}
