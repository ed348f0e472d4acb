import { storedScopesOfKey } from "../../core/auth/rules/scopes.ts";
import type { ApiKeyStore } from "../../core/ports/admin-registry.ts";
import type { ApiKeyDocument } from "../../core/shared/admin-documents.ts";
import type { Database } from "./database.ts";
import type { Query } from "./query.ts";
import { type ApiKeyRow, isoTime, keyScopesOf } from "./rows.ts";

export function createApiKeyStore({ all, write, writeFor, bumpVersion, now }: Database): ApiKeyStore {
  return {
    async list(tenant, { cursor, limit }) {
      const sql = "SELECT * FROM api_keys WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?";
      return (await all<ApiKeyRow>(sql, [tenant, cursor, limit])).map(apiKeyDocument);
    },

    async create(tenant, id, hash, { name, scopes, expiresAt = null }) {
      const row: ApiKeyRow = {
        id,
        tenant,
        name,
        hash: Uint8Array.fromHex(hash).toBase64(),
        scopes: JSON.stringify(storedScopesOfKey(scopes)),
        created_at: now(),
        expires_at: expiresAt,
        revoked_at: null,
      };
      const query: Query = [
        `INSERT INTO api_keys (id, tenant, name, hash, scopes, created_at, expires_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM tenants WHERE id = ?2)`,
        [id, tenant, name, row.hash, row.scopes, row.created_at, row.expires_at],
      ];
      const details = { name, scopes, expiresAt };
      const created = await write([query], { action: "key.create", target: id, tenant, details });
      return created > 0 ? apiKeyDocument(row) : undefined;
    },

    async revoke(tenant, id) {
      const query: Query = [
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?3) WHERE tenant = ?1 AND id = ?2",
        [tenant, id, now()],
      ];
      const entry = { action: "key.revoke", target: id, tenant } as const;
      return (await writeFor(tenant, [bumpVersion(tenant), query], entry)) > 0;
    },
  };
}

function apiKeyDocument(row: ApiKeyRow): ApiKeyDocument {
  return {
    id: row.id,
    name: row.name,
    scopes: keyScopesOf(row),
    createdAt: isoTime(row.created_at),
    ...(row.expires_at !== null && { expiresAt: isoTime(row.expires_at) }),
    ...(row.revoked_at !== null && { revokedAt: isoTime(row.revoked_at) }),
  };
}
