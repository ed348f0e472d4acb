import type { Query } from "./query.ts";

/** A change, as the audit tells it. */
export interface AuditEntry {
  /** Sluice changes a few things of its own accord. */
  readonly actor?: "operator" | "sluice";
  readonly action: AuditAction;
  /** Id of what was changed. */
  readonly target: string;
  readonly tenant?: string | null;
  /** What it was changed to, without any secret. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export type AuditAction =
  | `${"tenant" | "issuer" | "upstream" | "endpoint"}.${"put" | "delete"}`
  | "key.create"
  | "key.revoke"
  | "upstream.register"
  | "endpoint.rotate"
  | "endpoint.disable";

export interface AuditRow {
  readonly id: number;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly tenant: string | null;
  readonly details: string;
}

/** Adds to the audit what the statement before it in the batch has done; nothing, if that has changed nothing. */
export function auditQuery(entry: AuditEntry, now: number): Query {
  const { actor = "operator", action, target, tenant = null, details = {} } = entry;
  return [
    `INSERT INTO audit (at, actor, action, target, tenant, details) SELECT ?, ?, ?, ?, ?, ? WHERE changes() > 0`,
    [now, actor, action, target, tenant, JSON.stringify(details)],
  ];
}
