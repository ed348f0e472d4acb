import { DurableObject } from "cloudflare:workers";
import { type CallClass, SlidingWindowLimiter } from "../core/budget/rules/call-window.ts";

/**
 * What the window counts is written down before a call is granted, and with it some calls ahead: one row for 32 creations
 * instead of 32. When the object starts anew, those ahead count as made just then, so that the budget is never overdrawn.
 *
 * As many are ahead as were granted since the object started, up to this. For an object without traffic is gone within
 * seconds: a call now and then is written alone, and costs the budget one call and not 32.
 */
const MAX_CALLS_AHEAD = 31;
/** Whose the calls of before a crash were is not written down. */
const UNKNOWN_TENANT = "";

/**
 * The budget of one upstream's API calls, on every tenant's way to it. What it decides by is in memory; what survives is
 * how many calls there were in each second.
 */
export class UpstreamBudget extends DurableObject<Env> {
  #window: SlidingWindowLimiter | undefined;
  /** Since the object started. */
  #granted = 0;
  /** Calls that were written ahead and are not granted yet. */
  #left = 0;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    state.storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS calls (
        one INTEGER PRIMARY KEY CHECK (one = 1), made TEXT NOT NULL, ahead INTEGER NOT NULL
      );
      CREATE TABLE IF NOT EXISTS gate (one INTEGER PRIMARY KEY CHECK (one = 1), closed_until REAL NOT NULL)`);
  }

  /**
   * Counts a call that is about to be made: 0; or the seconds after which it makes sense to try again. A number, since for an
   * answer that is an object both sides of a call keep something that further calls could be made on.
   *
   * @param capacity calls in any window, as the upstream is configured
   */
  acquire(capacity: number, tenant: string, callClass: CallClass): number {
    const time = Date.now() / 1000;
    this.#window ??= this.#restore(capacity, time);
    this.#window.capacity = capacity;
    const grant = this.#window.acquire(tenant, callClass, time);
    if (!grant.granted) return grant.retryAfterSeconds;
    this.#writeAhead(this.#window);
    return 0;
  }

  refund(tenant: string): void {
    this.#window?.refund(tenant);
  }

  close(seconds: number): void {
    const until = Date.now() / 1000 + seconds;
    this.#window?.blockUntil(until);
    this.ctx.storage.sql.exec(
      `INSERT INTO gate (one, closed_until) VALUES (1, ?1)
       ON CONFLICT (one) DO UPDATE SET closed_until = max(closed_until, ?1)`,
      until,
    );
  }

  #writeAhead(window: SlidingWindowLimiter): void {
    if (this.#left > 0) this.#left--;
    else {
      const ahead = Math.min(this.#granted, MAX_CALLS_AHEAD);
      this.#write(window, ahead);
      this.#left = ahead;
    }
    this.#granted++;
  }

  #write(window: SlidingWindowLimiter, ahead: number): void {
    this.ctx.storage.sql.exec(
      "INSERT OR REPLACE INTO calls (one, made, ahead) VALUES (1, ?, ?)",
      JSON.stringify(window.countsPerSecond()),
      ahead,
    );
  }

  #restore(capacity: number, time: number): SlidingWindowLimiter {
    const window = new SlidingWindowLimiter(capacity);
    const { sql } = this.ctx.storage;
    const [written] = sql.exec<{ made: string; ahead: number }>("SELECT made, ahead FROM calls").toArray();
    if (written) {
      const made = JSON.parse(written.made) as ReturnType<SlidingWindowLimiter["countsPerSecond"]>;
      for (const [at, calls] of [...made, [time, written.ahead] as const])
        for (let call = 0; call < calls; call++) window.count(UNKNOWN_TENANT, Math.min(at, time));
      // They are of this moment from now on: the next start must not take them for later ones again.
      if (written.ahead > 0) this.#write(window, 0);
    }
    const [gate] = sql.exec<{ closed_until: number }>("SELECT closed_until FROM gate").toArray();
    if (gate) window.blockUntil(gate.closed_until);
    return window;
  }
}
