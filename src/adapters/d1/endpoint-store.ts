import type { EndpointStore } from "../../core/ports/admin-registry.ts";
import type { EndpointDocument, EndpointSettings } from "../../core/shared/admin-documents.ts";
import { problem } from "../../core/shared/problem.ts";
import { err, ok } from "../../core/shared/result.ts";
import { NO_SUCH_TENANT } from "../../core/shared/tenant.ts";
import { type EndpointSecret, MAX_ENDPOINTS_PER_TENANT, replaceSecret } from "../../core/webhooks/rules/endpoint.ts";
import type { AuditEntry } from "./audit-entry.ts";
import type { Database } from "./database.ts";
import type { FieldEncryption } from "./field-encryption.ts";
import type { Query } from "./query.ts";
import { type EndpointRow, endpointSecretsContext, eventColumns, eventsOf, isoTime, secretsOf } from "./rows.ts";

const DISABLED_BY_OPERATOR = "the operator disabled it";

const NO_SUCH_ENDPOINT = problem("not_found", "There is no such endpoint.");
const CHANGED_MEANWHILE = problem("conflict", "The endpoint was changed at the same time. Read it and try again.");
const TOO_MANY = problem("conflict", `The tenant already has ${MAX_ENDPOINTS_PER_TENANT} endpoints, the maximum.`);

/** An endpoint as it is to be stored. */
interface NewEndpoint extends EndpointSettings {
  readonly tenant: string;
  readonly id: string;
}

export function createEndpointStore(database: Database, encryption: FieldEncryption): EndpointStore {
  const { all, first, writeFor, bumpVersion, now } = database;
  const find = (tenant: string, id: string) =>
    first<EndpointRow>("SELECT * FROM endpoints WHERE tenant = ? AND id = ?", [tenant, id]);
  const tenantExists = async (id: string) => (await first("SELECT 1 FROM tenants WHERE id = ?", [id])) !== null;
  const seal = (secrets: readonly EndpointSecret[], row: Pick<EndpointRow, "tenant" | "id" | "url">) =>
    encryption.seal(JSON.stringify(secrets), endpointSecretsContext(row));
  /** @returns `undefined` if the secrets cannot be decrypted */
  const open = async (row: EndpointRow) => {
    const json = await encryption.open(row.sealed_secrets, endpointSecretsContext(row));
    return json === undefined ? undefined : secretsOf(json);
  };

  const insert = async (endpoint: NewEndpoint, secret: string) => {
    const { tenant, id, url, description = null, disabled } = endpoint;
    const sealed = await seal([{ secret }], endpoint);
    const [disabledAt, disabledReason] = disabled ? [now(), DISABLED_BY_OPERATOR] : [null, null];
    const query: Query = [
      `INSERT INTO endpoints (tenant, id, url, description, events, later_events, sealed_secrets, disabled_at,
         disabled_reason, created_at, updated_at)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10 WHERE EXISTS (SELECT 1 FROM tenants WHERE id = ?1)
         AND (SELECT count(*) FROM endpoints WHERE tenant = ?1) < ${MAX_ENDPOINTS_PER_TENANT}
       ON CONFLICT DO NOTHING`,
      [tenant, id, url, description, ...eventColumns(endpoint.events), sealed, disabledAt, disabledReason, now()],
    ];
    return writeFor(tenant, [bumpVersion(tenant), query], putEntry(endpoint));
  };

  /** Updates the row only if its secrets are still the ones that were read, because this writes them back. */
  const update = async (before: EndpointRow, endpoint: NewEndpoint, secrets: readonly EndpointSecret[]) => {
    const { tenant, id, url, description = null, disabled } = endpoint;
    const sealed = await seal(secrets, endpoint);
    const resetsHealth = url !== before.url || (before.disabled_at !== null && !disabled);
    const [failingSince, slow] = resetsHealth ? ["NULL", "0"] : ["failing_since", "slow"];
    const disabledAt = disabled ? (before.disabled_at ?? now()) : null;
    const disabledReason = disabled ? (before.disabled_reason ?? DISABLED_BY_OPERATOR) : null;
    const values = [url, description, ...eventColumns(endpoint.events), sealed, disabledAt, disabledReason, now()];
    const query: Query = [
      `UPDATE endpoints SET url = ?, description = ?, events = ?, later_events = ?, sealed_secrets = ?, disabled_at = ?,
         disabled_reason = ?, updated_at = ?, failing_since = ${failingSince}, slow = ${slow}
       WHERE tenant = ? AND id = ? AND sealed_secrets = ?`,
      [...values, tenant, id, before.sealed_secrets],
    ];
    return writeFor(tenant, [bumpVersion(tenant), query], putEntry(endpoint));
  };

  return {
    async list(tenant) {
      const rows = await all<EndpointRow>("SELECT * FROM endpoints WHERE tenant = ? ORDER BY id", [tenant]);
      return rows.map(endpointDocument);
    },

    async get(tenant, id) {
      const row = await find(tenant, id);
      return row ? endpointDocument(row) : undefined;
    },

    async put(tenant, id, settings, newSecret) {
      const endpoint = { ...settings, tenant, id };
      const before = await find(tenant, id);
      const secrets = before && (await open(before));
      // Secrets that cannot be decrypted are replaced.
      const written = before
        ? await update(before, endpoint, secrets ?? [{ secret: newSecret }])
        : await insert(endpoint, newSecret);
      const after = await find(tenant, id);
      if (written > 0 && after)
        return ok({ document: endpointDocument(after), created: !before, ...(!secrets && { secret: newSecret }) });
      if (!(await tenantExists(tenant))) return err(NO_SUCH_TENANT);
      return err(before || after ? CHANGED_MEANWHILE : TOO_MANY);
    },

    async rotateSecret(tenant, id, newSecret) {
      const before = await find(tenant, id);
      if (!before) return err(NO_SUCH_ENDPOINT);
      const sealed = await seal(replaceSecret((await open(before)) ?? [], newSecret, now()), before);
      const query: Query = [
        "UPDATE endpoints SET sealed_secrets = ?, updated_at = ? WHERE tenant = ? AND id = ? AND sealed_secrets = ?",
        [sealed, now(), tenant, id, before.sealed_secrets],
      ];
      const entry = { action: "endpoint.rotate", target: id, tenant } as const;
      const written = await writeFor(tenant, [bumpVersion(tenant), query], entry);
      const after = await find(tenant, id);
      if (!after) return err(NO_SUCH_ENDPOINT);
      return written > 0 ? ok(endpointDocument(after)) : err(CHANGED_MEANWHILE);
    },

    async delete(tenant, id) {
      const query: Query = ["DELETE FROM endpoints WHERE tenant = ? AND id = ?", [tenant, id]];
      const entry = { action: "endpoint.delete", target: id, tenant } as const;
      return (await writeFor(tenant, [bumpVersion(tenant), query], entry)) > 0;
    },
  };
}

function putEntry({ tenant, id, url, events, disabled }: NewEndpoint): AuditEntry {
  // Only the origin: the rest of a URL may be a secret.
  const { origin } = new URL(url);
  return { action: "endpoint.put", target: id, tenant, details: { origin, events: events ?? null, disabled } };
}

/** Without the secrets. */
function endpointDocument(row: EndpointRow): EndpointDocument {
  const events = eventsOf(row);
  return {
    id: row.id,
    url: row.url,
    ...(row.description !== null && { description: row.description }),
    ...(events && { events }),
    disabled: row.disabled_at !== null,
    ...(row.disabled_at !== null && { disabledAt: isoTime(row.disabled_at) }),
    ...(row.disabled_reason !== null && { disabledReason: row.disabled_reason }),
    ...(row.failing_since !== null && { failingSince: isoTime(row.failing_since) }),
    ...(row.slow !== 0 && { slow: true }),
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
  };
}
