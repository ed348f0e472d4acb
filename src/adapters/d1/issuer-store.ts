import { ASYMMETRIC_ALGORITHMS, SYMMETRIC_ALGORITHMS } from "../../core/auth/rules/issuer.ts";
import type { IssuerStore } from "../../core/ports/admin-registry.ts";
import { invalidField } from "../../core/shared/invalid-field.ts";
import type { IssuerDocument, IssuerSettings } from "../../core/shared/admin-documents.ts";
import { ok } from "../../core/shared/result.ts";
import type { Database } from "./database.ts";
import type { FieldEncryption } from "./field-encryption.ts";
import type { Query } from "./query.ts";
import { type IssuerRow, issuerSecretContext, maxGrantSecondsOf } from "./rows.ts";

/** Revoked issuers, or issuers of many tenants: no ledger has to be notified of them. Every document has a scope. */
const REVOKED = "(tenant IS NULL OR scopes = '[]')";

export function createIssuerStore(database: Database, encryption: FieldEncryption): IssuerStore {
  const { all, first, write, writeFor, bumpVersion } = database;
  const find = (id: string) => first<IssuerRow>("SELECT * FROM issuers WHERE id = ?", [id]);
  const tenantExists = async (id: string) => (await first("SELECT 1 FROM tenants WHERE id = ?", [id])) !== null;

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
      const { secret, tenant = null } = settings;
      if (tenant !== null && !(await tenantExists(tenant)))
        return invalidField("tenant", `there is no tenant "${tenant}"`);
      const before = await find(id);
      if (before && before.tenant !== tenant) await revokeIssuer(before);

      const sealed = secret === undefined ? null : await encryption.seal(secret, issuerSecretContext({ id }));
      const row = issuerRow(id, settings, sealed);
      const queries: Query[] = tenant === null ? [] : [bumpVersion(tenant)];
      queries.push(
        // An issuer that another call has put in between stays, and the INSERT fails.
        [`DELETE FROM issuers WHERE id = ? AND (tenant = ? OR ${REVOKED})`, [id, tenant]],
        [
          `INSERT INTO issuers
             (id, iss, audience, algorithms, jwks_url, jwks, sealed_secret, tenant, tenant_claim, subject_claim, scopes,
              max_grant_seconds)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          [
            id,
            row.iss,
            row.audience,
            row.algorithms,
            row.jwks_url,
            row.jwks,
            row.sealed_secret,
            tenant,
            row.tenant_claim,
            row.subject_claim,
            row.scopes,
            row.max_grant_seconds,
          ],
        ],
      );
      const { iss: issuer, audience, jwks_url: jwksUrl, tenant_claim: tenantClaim } = row;
      const details = { issuer, audience, jwksUrl, tenantClaim, maxGrantSeconds: settings.maxGrantSeconds };
      const entry = { action: "issuer.put", target: id, tenant, details } as const;
      await (tenant === null ? write(queries, entry) : writeFor(tenant, queries, entry));
      return ok({ document: issuerDocument(row), created: !before });
    },

    delete: deleteIssuer,
  };
}

function issuerRow(id: string, settings: IssuerSettings, sealedSecret: string | null): IssuerRow {
  const { secret, algorithms = secret === undefined ? ASYMMETRIC_ALGORITHMS : SYMMETRIC_ALGORITHMS } = settings;
  return {
    id,
    iss: settings.issuer,
    audience: settings.audience,
    algorithms: JSON.stringify(algorithms),
    jwks_url: settings.jwksUrl ?? null,
    jwks: settings.jwks ? JSON.stringify(settings.jwks) : null,
    sealed_secret: sealedSecret,
    tenant: settings.tenant ?? null,
    tenant_claim: settings.tenantClaim ?? null,
    subject_claim: settings.subjectClaim,
    scopes: JSON.stringify(settings.scopes),
    max_grant_seconds: settings.maxGrantSeconds,
  };
}

/** Without the secret. */
function issuerDocument(row: IssuerRow): IssuerDocument {
  return {
    id: row.id,
    issuer: row.iss,
    audience: row.audience,
    algorithms: JSON.parse(row.algorithms) as string[],
    ...(row.jwks_url !== null && { jwksUrl: row.jwks_url }),
    ...(row.jwks !== null && { jwks: JSON.parse(row.jwks) as object }),
    ...(row.tenant !== null && { tenant: row.tenant }),
    ...(row.tenant_claim !== null && { tenantClaim: row.tenant_claim }),
    subjectClaim: row.subject_claim,
    scopes: JSON.parse(row.scopes) as string[],
    maxGrantSeconds: maxGrantSecondsOf(row),
  };
}
