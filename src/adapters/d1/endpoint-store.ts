import { type EndpointSecret, MAX_ENDPOINTS_PER_TENANT, replaceSecret } from "../../core/webhooks/rules/endpoint.ts";
import type { EndpointHealth } from "../../core/ports/webhooks.ts";
import type { FieldEncryption } from "./field-encryption.ts";
import type { AuditEntry } from "./audit-log.ts";
import type { Database } from "./database.ts";
import type { Query } from "./query.ts";
import { type EndpointRow, secretsOf, endpointSecretsContext } from "./rows.ts";

/** An endpoint as the operator's document gives it. */
export type NewEndpoint = Pick<EndpointRow, "tenant" | "id" | "url" | "description" | "events"> & {
  readonly disabled: boolean;
};

const DISABLED_BY_OPERATOR = "the operator disabled it";

/** The endpoints' part of the registry's store. */
export function createEndpointStore(database: Database, sealing: FieldEncryption) {
  const { all, first, write, writeFor, note, bumpVersion, now } = database;
  const find = (tenant: string, id: string) =>
    first<EndpointRow>("SELECT * FROM endpoints WHERE tenant = ? AND id = ?", [tenant, id]);
  const seal = (secrets: readonly EndpointSecret[], row: Pick<EndpointRow, "tenant" | "id" | "url">) =>
    sealing.seal(JSON.stringify(secrets), endpointSecretsContext(row));
  /** Undefined where they do not open. */
  const open = async (row: EndpointRow) => {
    const json = await sealing.open(row.sealed_secrets, endpointSecretsContext(row));
    return json === undefined ? undefined : secretsOf(json);
  };

  const insert = async (endpoint: NewEndpoint, secret: string) => {
    const { tenant, id, url, description, events, disabled } = endpoint;
    const sealed = await seal([{ secret }], endpoint);
    const query: Query = [
      `INSERT INTO endpoints (tenant, id, url, description, events, sealed_secrets, disabled_at, disabled_reason,
         created_at, updated_at)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9 WHERE EXISTS (SELECT 1 FROM tenants WHERE id = ?1)
         AND (SELECT count(*) FROM endpoints WHERE tenant = ?1) < ${MAX_ENDPOINTS_PER_TENANT}
       ON CONFLICT DO NOTHING`,
      [
        tenant,
        id,
        url,
        description,
        events,
        sealed,
        ...(disabled ? [now(), DISABLED_BY_OPERATOR] : [null, null]),
        now(),
      ],
    ];
    return writeFor(tenant, [bumpVersion(tenant), query], putEntry(endpoint));
  };

  /** Only as the row was read: its secrets are sealed anew, and must be the ones that are there. */
  const update = async (before: EndpointRow, endpoint: NewEndpoint, secrets: readonly EndpointSecret[]) => {
    const { tenant, id, url, description, events, disabled } = endpoint;
    const sealed = await seal(secrets, endpoint);
    const isNewStart = url !== before.url || (before.disabled_at !== null && !disabled);
    const failingSince = isNewStart ? "NULL" : "failing_since";
    const disabledAt = disabled ? (before.disabled_at ?? now()) : null;
    const disabledReason = disabled ? (before.disabled_reason ?? DISABLED_BY_OPERATOR) : null;
    const values = [url, description, events, sealed, disabledAt, disabledReason, now()];
    const query: Query = [
      `UPDATE endpoints SET url = ?, description = ?, events = ?, sealed_secrets = ?, disabled_at = ?,
         disabled_reason = ?, updated_at = ?, failing_since = ${failingSince}
       WHERE tenant = ? AND id = ? AND sealed_secrets = ?`,
      [...values, tenant, id, before.sealed_secrets],
    ];
    return writeFor(tenant, [bumpVersion(tenant), query], putEntry(endpoint));
  };

  // Deliveries look past the cache, so a note is enough for them. Where the endpoint has been changed meanwhile, what is known
  // of it counts no longer.
  const health: EndpointHealth = {
    async markFailing({ tenant, id, url }, since) {
      const sql =
        "UPDATE endpoints SET failing_since = ? WHERE tenant = ? AND id = ? AND url = ? AND failing_since IS NULL";
      await note(sql, [since, tenant, id, url]);
    },

    async markRecovered({ tenant, id, url }) {
      const sql = "UPDATE endpoints SET failing_since = NULL WHERE tenant = ? AND id = ? AND url = ?";
      await note(sql, [tenant, id, url]);
    },

    async disable({ tenant, id, url }, reason) {
      const query: Query = [
        `UPDATE endpoints SET disabled_at = ?, disabled_reason = ?
         WHERE tenant = ? AND id = ? AND url = ? AND disabled_at IS NULL`,
        [now(), reason, tenant, id, url],
      ];
      const entry = { actor: "sluice", action: "endpoint.disable", target: id, tenant, details: { reason } } as const;
      await write([query], entry);
    },
  };

  return {
    health,
    endpoint: find,
    endpoints: (tenant: string) => all<EndpointRow>("SELECT * FROM endpoints WHERE tenant = ? ORDER BY id", [tenant]),

    /**
     * @param fresh becomes the endpoint's secret where it has none that opens
     * @returns the fresh secret, if it was taken; false: there is no such tenant, it has as many endpoints as it may have, or
     *   another change came first
     */
    async putEndpoint(endpoint: NewEndpoint, fresh: string): Promise<false | { readonly secret?: string }> {
      const before = await find(endpoint.tenant, endpoint.id);
      const secrets = before && (await open(before));
      const changes = before
        ? await update(before, endpoint, secrets ?? [{ secret: fresh }])
        : await insert(endpoint, fresh);
      return changes > 0 && (secrets ? {} : { secret: fresh });
    },

    /** False where there is no such endpoint, or another change came first. */
    async rotateSecret(tenant: string, id: string, fresh: string): Promise<boolean> {
      const before = await find(tenant, id);
      if (!before) return false;
      const sealed = await seal(replaceSecret((await open(before)) ?? [], fresh, now()), before);
      const query: Query = [
        "UPDATE endpoints SET sealed_secrets = ?, updated_at = ? WHERE tenant = ? AND id = ? AND sealed_secrets = ?",
        [sealed, now(), tenant, id, before.sealed_secrets],
      ];
      return (
        (await writeFor(tenant, [bumpVersion(tenant), query], { action: "endpoint.rotate", target: id, tenant })) > 0
      );
    },

    deleteEndpoint: (tenant: string, id: string) =>
      writeFor(tenant, [bumpVersion(tenant), ["DELETE FROM endpoints WHERE tenant = ? AND id = ?", [tenant, id]]], {
        action: "endpoint.delete",
        target: id,
        tenant,
      }),
  };
}

function putEntry({ tenant, id, url, events, disabled }: NewEndpoint): AuditEntry {
  // The rest of a URL may be what lets its holder in.
  const { origin } = new URL(url);
  const details = { origin, events: events === null ? null : (JSON.parse(events) as unknown), disabled };
  return { action: "endpoint.put", target: id, tenant, details };
}
