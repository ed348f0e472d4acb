import type { AuditQuery } from "../../core/ports/admin-registry.ts";
import type { AuditDocument } from "../../core/shared/admin-documents.ts";
import type { Database } from "./database.ts";
import type { Query } from "./query.ts";
import { isoTime } from "./rows.ts";

interface AuditRow {
  readonly id: number;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly tenant: string | null;
  readonly details: string;
}

export async function readAuditLog(
  { all }: Pick<Database, "all">,
  { before, limit, tenant }: AuditQuery,
): Promise<readonly AuditDocument[]> {
  const query: Query =
    tenant === undefined
      ? ["SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?", [before, limit]]
      : ["SELECT * FROM audit WHERE tenant = ? AND id < ? ORDER BY id DESC LIMIT ?", [tenant, before, limit]];
  return (await all<AuditRow>(...query)).map(auditDocument);
}

function auditDocument(row: AuditRow): AuditDocument {
  const details = detailsOf(row);
  return {
    id: String(row.id),
    at: isoTime(row.at),
    // The column has only `operator` and `sluice`.
    actor: row.action === "tenant.provision" ? `issuer:${String(details["issuer"])}` : row.actor,
    action: row.action,
    target: row.target,
    ...(row.tenant !== null && { tenant: row.tenant }),
    details,
  };
}

/** Stored entries name the setting after its column: `abandoned` is the document's `unfinishedUploads`. */
function detailsOf({ details }: AuditRow): Readonly<Record<string, unknown>> {
  const { abandoned, ...rest } = JSON.parse(details) as Record<string, unknown>;
  return abandoned === undefined ? rest : { ...rest, unfinishedUploads: abandoned };
}
