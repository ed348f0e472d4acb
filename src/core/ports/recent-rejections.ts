/** Tenants that a moment ago had a creation refused by their ledger, or answered as before. */
export interface RecentRefusals {
  has(tenant: string): boolean;
  note(tenant: string): void;
}
