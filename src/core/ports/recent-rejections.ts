/** Tenants that a moment ago had a creation refused by their ledger, or answered as before. */
export interface RecentRejections {
  has(tenant: string): boolean;
  note(tenant: string): void;
}
