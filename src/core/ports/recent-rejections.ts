/** Tenants whose ledger recently answered a creation without a new reservation: rejected it or replayed an earlier one. */
export interface RecentRejections {
  has(tenant: string): boolean;
  note(tenant: string): void;
}
