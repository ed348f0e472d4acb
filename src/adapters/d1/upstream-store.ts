import type { UpstreamStore } from "../../core/ports/admin-registry.ts";
import type { UpstreamDocument } from "../../core/shared/admin-documents.ts";
import { problem } from "../../core/shared/problem.ts";
import { err, ok } from "../../core/shared/result.ts";
import type { Database } from "./database.ts";
import type { FieldEncryption } from "./field-encryption.ts";
import type { Query } from "./query.ts";
import { INHERITING } from "./registry-index.ts";
import { type UpstreamRow, credentialContext, webhookContext, webhookSecretsOf } from "./rows.ts";

const HAS_TENANTS = "EXISTS (SELECT 1 FROM tenants WHERE upstream = ?1)";

/** The newest secret and the one it replaces. */
const ROTATED_SECRETS = 2;

export function createUpstreamStore(database: Database, encryption: FieldEncryption): UpstreamStore {
  const { all, first, write } = database;
  const find = (id: string) => first<UpstreamRow>("SELECT * FROM upstreams WHERE id = ?", [id]);
  const sealSecrets = async (row: Pick<UpstreamRow, "id" | "account_id">, secrets: readonly string[]) =>
    secrets.length === 0 ? null : encryption.seal(JSON.stringify(secrets), webhookContext(row));

  return {
    async list({ cursor, limit }) {
      const sql = "SELECT * FROM upstreams WHERE id > ? ORDER BY id LIMIT ?";
      return (await all<UpstreamRow>(sql, [cursor, limit])).map(upstreamDocument);
    },

    async get(id) {
      const row = await find(id);
      return row ? upstreamDocument(row) : undefined;
    },

    async put(id, { accountId, apiBase, uploadHosts, credential, webhookSecrets, ...settings }) {
      const { callsPerWindow = null, maxUploadBytes = null, maxVideoSeconds = null } = settings;
      const before = await find(id);
      const row = {
        id,
        account_id: accountId,
        api_base: apiBase,
        upload_hosts: JSON.stringify(uploadHosts),
        calls_per_window: callsPerWindow,
        max_upload_bytes: maxUploadBytes,
        max_video_seconds: maxVideoSeconds,
      };
      const query: Query = [
        `INSERT INTO upstreams
           (id, account_id, api_base, upload_hosts, sealed_credential, calls_per_window, sealed_webhook_secrets,
            max_upload_bytes, max_video_seconds)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET account_id = ?2, api_base = ?3, upload_hosts = ?4, sealed_credential = ?5,
           calls_per_window = ?6, max_upload_bytes = ?9, max_video_seconds = ?10, sealed_webhook_secrets =
             CASE WHEN ?8 THEN ?7 WHEN account_id = ?2 THEN sealed_webhook_secrets END
           WHERE account_id = ?2 OR NOT (${HAS_TENANTS} OR EXISTS (${INHERITING}))`,
        [
          id,
          accountId,
          apiBase,
          row.upload_hosts,
          await encryption.seal(JSON.stringify(credential), credentialContext(row)),
          callsPerWindow,
          await sealSecrets(row, webhookSecrets ?? []),
          webhookSecrets === undefined ? 0 : 1,
          maxUploadBytes,
          maxVideoSeconds,
        ],
      ];
      const details = {
        accountId,
        apiBase,
        callsPerWindow,
        maxUploadBytes,
        maxVideoSeconds,
        ...(webhookSecrets && { webhookSecrets: webhookSecrets.length }),
      };
      const written = await write([query], { action: "upstream.put", target: id, details });
      return written > 0
        ? ok({ document: upstreamDocument(row), created: !before })
        : err(problem("conflict", "The upstream is in use by tenants; its account cannot be changed."));
    },

    async delete(id) {
      // One statement, because a tenant or plan may be put on the upstream at the same time.
      const sql = `DELETE FROM upstreams WHERE id = ?1 AND NOT ${HAS_TENANTS} AND NOT EXISTS (SELECT 1 FROM plans WHERE upstream = ?1)`;
      const deleted = await write([[sql, [id]]], { action: "upstream.delete", target: id });
      if (deleted > 0) return ok(true);
      return (await find(id))
        ? err(problem("conflict", "The upstream is in use by tenants or plans; it cannot be deleted."))
        : ok(false);
    },

    async rotateWebhookSecret({ id, accountId }, secret, url) {
      const row = { id, account_id: accountId };
      const sealed = (await find(id))?.sealed_webhook_secrets;
      const before = sealed ? await encryption.open(sealed, webhookContext(row)) : undefined;
      const older = webhookSecretsOf(before).filter((one) => one !== secret);
      const query: Query = [
        "UPDATE upstreams SET sealed_webhook_secrets = ?3 WHERE id = ?1 AND account_id = ?2",
        [id, accountId, await sealSecrets(row, [secret, ...older].slice(0, ROTATED_SECRETS))],
      ];
      return (await write([query], { action: "upstream.register", target: id, details: { url } })) > 0;
    },
  };
}

/** Without the credential and the webhook's secrets. */
function upstreamDocument(row: Omit<UpstreamRow, "sealed_credential" | "sealed_webhook_secrets">): UpstreamDocument {
  return {
    id: row.id,
    accountId: row.account_id,
    apiBase: row.api_base,
    uploadHosts: JSON.parse(row.upload_hosts) as string[],
    ...(row.calls_per_window !== null && { callsPerWindow: row.calls_per_window }),
    ...(row.max_upload_bytes !== null && { maxUploadBytes: row.max_upload_bytes }),
    ...(row.max_video_seconds !== null && { maxVideoSeconds: row.max_video_seconds }),
  };
}
