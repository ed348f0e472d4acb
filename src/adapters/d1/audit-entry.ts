import type { Query } from "./query.ts";

/** A change to be recorded in the audit log. */
export interface AuditEntry {
  /** `sluice` for automatic changes. The column takes no other. */
  readonly actor?: "operator" | "sluice";
  readonly action: AuditAction;
  /** Id of the changed document. */
  readonly target: string;
  readonly tenant?: string | null;
  /** The new values, without secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export type AuditAction =
  | `${"tenant" | "plan" | "issuer" | "upstream" | "endpoint"}.${"put" | "delete"}`
  | "tenant.provision"
  | "key.create"
  | "key.revoke"
  | "upstream.register"
  | `signing-key.${"create" | "import" | "delete"}`
  | "endpoint.rotate"
  | "endpoint.disable";

/** Place it directly after the change in a batch: it writes the entry only if that statement changed a row. */
export function auditQuery(entry: AuditEntry, now: number): Query {
  const { actor = "operator", action, target, tenant = null, details = {} } = entry;
  return [
    `INSERT INTO audit (at, actor, action, target, tenant, details) SELECT ?, ?, ?, ?, ?, ? WHERE changes() > 0`,
    [now, actor, action, target, tenant, JSON.stringify(details)],
  ];
}
