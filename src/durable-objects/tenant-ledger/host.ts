/** What the ledger needs from the Durable Object that it lives in (`TenantLedger`). */
export interface LedgerHost {
  /**
   * Called by the ledger in the transaction that makes an upload due; sets the alarm to that time, unless an earlier one is
   * set. @param seconds since the epoch
   */
  scheduleAlarm(seconds: number): void;
  /** Called by `LedgerStore` before each transaction. @returns undoes `scheduleAlarm`; called if the transaction fails */
  onTransactionStart(): () => void;
  /** Called by the ledger in the transaction that writes an event; the object publishes the event after the commit. */
  onEventQueued(): void;
  /** Seconds since the epoch. */
  now(): number;
}
