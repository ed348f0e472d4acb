import { DurableObject } from "cloudflare:workers";
import { type CallClass, SlidingWindowLimiter } from "../core/budget/rules/call-window.ts";

/**
 * Calls written ahead. The counts are stored before a call is granted (write-ahead). One write covers the call and some calls
 * ahead: one row write for 32 creations. After a restart, the calls ahead count as made, so the budget is never exceeded.
 *
 * The number ahead is the number of calls granted since the object started, up to this maximum. An object without traffic
 * is evicted within seconds: its occasional call is written alone and costs one call, not 32.
 */
const MAX_CALLS_AHEAD = 31;
/** The tenants of calls are not stored. */
const UNKNOWN_TENANT = "";

/**
 * The Durable Object with the call budget of one upstream. Every API call of every tenant takes a call from it first. Decisions
 * use memory only; the number of calls per second is stored.
 */
export class UpstreamBudget extends DurableObject<Env> {
  #window: SlidingWindowLimiter | undefined;
  /** Calls granted since the object started. */
  #granted = 0;
  /** Calls that are written ahead and not yet granted. */
  #ahead = 0;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    state.storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS calls (
        one INTEGER PRIMARY KEY CHECK (one = 1), made TEXT NOT NULL, ahead INTEGER NOT NULL
      );
      CREATE TABLE IF NOT EXISTS gate (one INTEGER PRIMARY KEY CHECK (one = 1), closed_until REAL NOT NULL)`);
  }

  /**
   * Counts a call before it is made. Returns a plain number, because for an object both sides of an RPC keep a handle for
   * further calls.
   *
   * @param capacity the upstream's configured calls per window
   * @returns 0 if the call is granted, else the seconds after which to try again
   */
  acquire(capacity: number, tenant: string, callClass: CallClass): number {
    const time = Date.now() / 1000;
    this.#window ??= this.#restore(capacity, time);
    this.#window.capacity = capacity;
    const call = this.#window.acquire(tenant, callClass, time);
    if (!call.granted) return call.retryAfterSeconds;
    this.#writeAhead(this.#window);
    return 0;
  }

  /** Gives back the tenant's newest call. Has no effect on calls from before a restart. */
  refund(tenant: string): void {
    this.#window?.refund(tenant);
  }

  /** Starts a cool-down: no call is granted for these seconds. Never shortens one. */
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
    if (this.#ahead > 0) this.#ahead--;
    else {
      const ahead = Math.min(this.#granted, MAX_CALLS_AHEAD);
      this.#write(window, ahead);
      this.#ahead = ahead;
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
    const [stored] = sql.exec<{ made: string; ahead: number }>("SELECT made, ahead FROM calls").toArray();
    if (stored) {
      const made = JSON.parse(stored.made) as ReturnType<SlidingWindowLimiter["countsPerSecond"]>;
      for (const [at, calls] of [...made, [time, stored.ahead] as const])
        for (let call = 0; call < calls; call++) window.count(UNKNOWN_TENANT, Math.min(at, time));
      // The calls ahead now have a time: without this write, the next restart would count them at a later one.
      if (stored.ahead > 0) this.#write(window, 0);
    }
    const [gate] = sql.exec<{ closed_until: number }>("SELECT closed_until FROM gate").toArray();
    if (gate) window.blockUntil(gate.closed_until);
    return window;
  }
}
