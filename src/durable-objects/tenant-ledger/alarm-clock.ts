/**
 * An alarm that is this late is lost: the platform retries a failed alarm for two minutes. Until then it may be about to
 * run, or running.
 */
const LOST_ALARM_SECONDS = 300;

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

  /**
   * Keeps a stored alarm, unless it is lost: it has to be replaced, since nothing else would wake an idle ledger.
   *
   * @param stored in milliseconds since the epoch; the other times are in seconds
   * @param nextDue when work is due; undefined if there is none
   */
  isLost(stored: number | null, now: number, nextDue: number | undefined): boolean {
    const lost = now - LOST_ALARM_SECONDS;
    if (stored !== null && stored > lost * 1000) {
      this.stored(stored);
      return false;
    }
    // `getAlarm` returns null while the alarm is running; that alarm sets the next one.
    return nextDue === undefined || nextDue <= lost || nextDue > now;
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
