import type { IssuerStore } from "../../core/ports/admin-registry.ts";
import { invalidField } from "../../core/shared/invalid-field.ts";
import { problem } from "../../core/shared/problem.ts";
import { RegistryUnavailable } from "../../core/shared/registry-unavailable.ts";
import { type Err, err, ok } from "../../core/shared/result.ts";
import type { Database } from "./database.ts";
import type { FieldEncryption } from "./field-encryption.ts";
import { type IssuerRow, issuerDocument, issuerRow } from "./issuer-row.ts";
import type { Query } from "./query.ts";

/** Revoked issuers, or issuers of many tenants: no ledger has to be notified of them. Every document has a scope. */
const REVOKED = "(tenant ISNULL OR scopes = '[]')";

/** The namespace that a document names. */
const NAMED = "iif(document ISNULL, 'tenant', document ->> '$.subject.namespace')";
/**
 * What a document of the id ?1, with the namespace ?2 and the tenant ?3, may not be stored beside. Ids and namespaces are one name
 * space, so that no issuer takes over the persons of another: an issuer whose id it names as its namespace must name that, too, and
 * the other way round. An issuer of another tenant, which a concurrent call has put, must be revoked first.
 */
const IN_THE_WAY = `FROM issuers WHERE
  iif(id = ?1, tenant IS NOT ?3 AND NOT ${REVOKED}, id = ?2 AND ${NAMED} IS NOT ?2 OR ${NAMED} = ?1 AND ?1 IS NOT ?2)`;

/** Issuers that the version before wrote, and that may speak for a tenant of this one, if that version wrote it, too. */
const SHARING = `
  SELECT b.id FROM issuers a JOIN issuers b ON a.id <> b.id AND coalesce(a.tenant = b.tenant, 1)
  WHERE a.id = ? AND a.document ISNULL AND b.document ISNULL ORDER BY b.id LIMIT 100`;

export function createIssuerStore(database: Database, encryption: FieldEncryption): IssuerStore {
  const { all, first, write, writeFor, bumpVersion } = database;
  const find = (id: string) => first<IssuerRow>("SELECT * FROM issuers WHERE id = ?", [id]);
  const exists = async (table: "tenants" | "plans", id: string | null) =>
    id === null || (await first(`SELECT 1 FROM ${table} WHERE id = ?`, [id])) !== null;

  /**
   * Takes all scopes from an issuer and notifies the ledger of its tenant. Only then may the row move to another tenant or be
   * deleted: if a step fails, a repeated call still finds in the row which tenant to notify.
   */
  const revokeIssuer = async ({ id, tenant }: IssuerRow) => {
    if (tenant === null) return;
    const query: Query = ["UPDATE issuers SET scopes = '[]' WHERE id = ? AND tenant = ?", [id, tenant]];
    await writeFor(tenant, [bumpVersion(tenant), query]);
  };

  const deleteIssuer = async (id: string): Promise<boolean> => {
    const before = await find(id);
    if (!before) return false;
    await revokeIssuer(before);
    const query: Query = [`DELETE FROM issuers WHERE id = ? AND ${REVOKED}`, [id]];
    const deleted = await write([query], { action: "issuer.delete", target: id, tenant: before.tenant });
    // If another call has put the issuer in between, it has to be revoked again.
    return deleted > 0 || deleteIssuer(id);
  };

  return {
    async list({ cursor, limit }) {
      const sql = "SELECT * FROM issuers WHERE id > ? ORDER BY id LIMIT ?";
      return (await all<IssuerRow>(sql, [cursor, limit])).map(issuerDocument);
    },

    async get(id) {
      const row = await find(id);
      return row ? issuerDocument(row) : undefined;
    },

    async put(id, settings) {
      const row = await issuerRow(id, settings, encryption);
      const { tenant } = row;
      const plan = settings.provision?.plan ?? null;
      const place = [id, settings.subject.namespace ?? null, tenant];
      const findFault = async (): Promise<Err | undefined> => {
        if (!(await exists("tenants", tenant))) return invalidField("tenant.fixed", `there is no tenant "${tenant}"`);
        if (!(await exists("plans", plan))) return invalidField("provision.plan", `there is no plan "${plan}"`);
        const other = await first<{ id: string }>(`SELECT id ${IN_THE_WAY} ORDER BY id = ?1`, place);
        if (!other || other.id === id) return undefined;
        const detail = `The issuer "${other.id}" would share persons: both must name that namespace (subject.namespace).`;
        return err(problem("conflict", detail, { key: "subject.namespace" }));
      };
      const fault = await findFault();
      if (fault) return fault;
      const before = await find(id);
      if (before && before.tenant !== tenant) await revokeIssuer(before);

      // One statement, because others may put or delete issuers and plans at the same time.
      const query: Query = [
        `REPLACE INTO issuers (${Object.keys(row).join()}) SELECT ${Object.keys(row)
          .map((_, index) => `?${index + 5}`)
          .join()}
           WHERE NOT EXISTS (SELECT 1 ${IN_THE_WAY}) AND (?4 ISNULL OR EXISTS (SELECT 1 FROM plans WHERE id = ?4))`,
        [...place, plan, ...Object.values<IssuerRow[keyof IssuerRow]>({ ...row })],
      ];
      const queries = tenant === null ? [query] : [bumpVersion(tenant), query];
      const document = issuerDocument(row);
      const { id: _, ...details } = document;
      const entry = { action: "issuer.put", target: id, tenant, details } as const;
      const written = await (tenant === null ? write(queries, entry) : writeFor(tenant, queries, entry));
      if (written > 0) return ok({ document, created: !before });
      const lost = await findFault();
      if (lost) return lost;
      throw new RegistryUnavailable("Another call has changed the issuer.");
    },

    delete: deleteIssuer,

    async listSharing(id) {
      return (await all<{ id: string }>(SHARING, [id])).map((row) => row.id);
    },
  };
}
