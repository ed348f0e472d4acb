/** The one alarm of a Durable Object: rings at the earliest time that was scheduled. */
export class AlarmClock {
  readonly #state: Pick<DurableObjectState, "storage" | "waitUntil">;
  /** Milliseconds since the epoch; null: no alarm is set. */
  #at: number | null = null;

  constructor(state: Pick<DurableObjectState, "storage" | "waitUntil">) {
    this.#state = state;
  }

  /** @param at the alarm that is stored now, in milliseconds since the epoch; null: none, or it is ringing */
  stored(at: number | null): void {
    this.#at = at;
  }

  /** Sets the alarm, unless an earlier one is set, in the transaction that makes the work due. */
  schedule(seconds: number): void {
    const milliseconds = seconds * 1000;
    if (this.#at !== null && this.#at <= milliseconds) return;
    this.#at = milliseconds;
    this.#state.waitUntil(this.#state.storage.setAlarm(milliseconds));
  }

  /** @returns restores the alarm after a failed transaction, which has undone `setAlarm` too */
  remember(): () => void {
    const at = this.#at;
    return () => {
      this.#at = at;
    };
  }
}
