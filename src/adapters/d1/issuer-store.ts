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
const REVOKED = "(issuers.tenant IS NULL OR issuers.scopes = '[]')";

/** The namespace that a document names. */
const NAMED = "iif(document ISNULL, 'tenant', document ->> '$.subject.namespace')";
/**
 * Ids and namespaces are one name space, so that no issuer takes over the persons of another: issuers whose id the new document
 * names as its namespace while they name another or none, or which name the new issuer's id while its document does not.
 */
const CONFLICTING = `FROM issuers WHERE id <> ?1 AND
  (id = ?2 AND ${NAMED} IS NOT ?2 OR ${NAMED} = ?1 AND ?1 IS NOT ?2)`;

/** All but `id`. */
const COLUMNS = [
  "iss",
  "audience",
  "algorithms",
  "jwks_url",
  "jwks",
  "sealed_secret",
  "tenant",
  "tenant_claim",
  "subject_claim",
  "scopes",
  "max_grant_seconds",
  "document",
] as const satisfies (keyof IssuerRow)[];

/**
 * One statement, because others may put or delete issuers and plans at the same time. An issuer of another tenant that another
 * call has put in between stays.
 */
const PUT = `
  INSERT INTO issuers (id, ${COLUMNS.join()}) SELECT ?1, ${COLUMNS.map((_, index) => `?${index + 4}`).join()}
    WHERE (?3 ISNULL OR EXISTS (SELECT 1 FROM plans WHERE id = ?3)) AND NOT EXISTS (SELECT 1 ${CONFLICTING})
  ON CONFLICT (id) DO UPDATE SET ${COLUMNS.map((column) => `${column} = excluded.${column}`).join()}
    WHERE issuers.tenant = excluded.tenant OR ${REVOKED}`;

/** Issuers that the version before wrote, and that may speak for a tenant of this one, if that version wrote it, too. */
const SHARING = `
  SELECT b.id FROM issuers a JOIN issuers b ON a.id <> b.id AND (a.tenant = b.tenant OR a.tenant ISNULL OR b.tenant ISNULL)
  WHERE a.id = ? AND a.document ISNULL AND b.document ISNULL ORDER BY b.id LIMIT 5`;

export function createIssuerStore(database: Database, encryption: FieldEncryption): IssuerStore {
  const { all, first, write, writeFor, bumpVersion } = database;
  const find = (id: string) => first<IssuerRow>("SELECT * FROM issuers WHERE id = ?", [id]);
  const exists = async (table: "tenants" | "plans", id: string) =>
    (await first(`SELECT 1 FROM ${table} WHERE id = ?`, [id])) !== null;

  /** Why the document cannot be stored beside what is in the registry. */
  const findConflict = async (
    id: string,
    namespace: string | null,
    tenant: string | null,
    plan: string | null,
  ): Promise<Err | undefined> => {
    if (tenant !== null && !(await exists("tenants", tenant)))
      return invalidField("tenant.fixed", `there is no tenant "${tenant}"`);
    if (plan !== null && !(await exists("plans", plan)))
      return invalidField("provision.plan", `there is no plan "${plan}"`);
    const other = await first<{ id: string }>(`SELECT id ${CONFLICTING}`, [id, namespace]);
    return other
      ? err(
          problem(
            "conflict",
            `The issuer "${other.id}" and this one would share persons, and both must name that namespace (subject.namespace).`,
            { key: "subject.namespace" },
          ),
        )
      : undefined;
  };

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
      const { namespace = null } = settings.subject;
      const plan = settings.provision?.plan ?? null;
      const row = await issuerRow(id, settings, encryption);
      const { tenant } = row;
      const refused = await findConflict(id, namespace, tenant, plan);
      if (refused) return refused;
      const before = await find(id);
      if (before && before.tenant !== tenant) await revokeIssuer(before);

      const query: Query = [PUT, [id, namespace, plan, ...COLUMNS.map((column) => row[column])]];
      const queries = tenant === null ? [query] : [bumpVersion(tenant), query];
      const { id: _, ...details } = issuerDocument(row);
      const entry = { action: "issuer.put", target: id, tenant, details } as const;
      const written = await (tenant === null ? write(queries, entry) : writeFor(tenant, queries, entry));
      if (written > 0) return ok({ document: issuerDocument(row), created: !before });
      const lost = await findConflict(id, namespace, tenant, plan);
      if (lost) return lost;
      throw new RegistryUnavailable("Another call has changed the issuer.");
    },

    delete: deleteIssuer,

    async listSharing(id) {
      return (await all<{ id: string }>(SHARING, [id])).map((row) => row.id);
    },
  };
}
