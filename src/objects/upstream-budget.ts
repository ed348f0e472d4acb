import { DurableObject } from "cloudflare:workers";
import { type CallClass, CallWindow, type Grant, WINDOW_SECONDS } from "../domain/budget.ts";

/**
 * Calls are written down before they are granted, a block at a time: one row for 32 creations instead of 32. When the
 * object starts anew, all of its last block counts as made, so that the budget is never overdrawn.
 *
 * A block is as large as all that was granted since the object started, up to this. For an object without traffic is gone
 * within seconds: a call now and then is written alone, and costs the budget one call and not 32.
 */
const MAX_BLOCK_CALLS = 32;
/** Whose the calls of before a crash were is not written down. */
const UNKNOWN_TENANT = "";

/**
 * The budget of one upstream's API calls, on every tenant's way to it. What it decides by is in memory; what survives is
 * the number of calls, in blocks.
 */
export class UpstreamBudget extends DurableObject<Env> {
  #window: CallWindow | undefined;
  #capacity = 0;
  /** Calls written down since the object started. */
  #written = 0;
  /** Calls of the current block that are not granted yet. */
  #left = 0;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    state.storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS blocks (seq INTEGER PRIMARY KEY, at REAL NOT NULL, calls INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS gate (one INTEGER PRIMARY KEY CHECK (one = 1), closed_until REAL NOT NULL)`);
  }

  /** @param capacity calls in any window, as the upstream is configured */
  acquire(capacity: number, tenant: string, callClass: CallClass): Grant {
    const time = Date.now() / 1000;
    const grant = this.#windowOf(capacity, time).acquire(tenant, callClass, time);
    if (grant.granted) this.#writeAhead(time);
    return grant;
  }

  refund(tenant: string): void {
    this.#window?.refund(tenant);
  }

  close(seconds: number): void {
    const until = Date.now() / 1000 + seconds;
    this.#window?.close(until);
    this.ctx.storage.sql.exec(
      `INSERT INTO gate (one, closed_until) VALUES (1, ?1)
       ON CONFLICT (one) DO UPDATE SET closed_until = max(closed_until, ?1)`,
      until,
    );
  }

  #writeAhead(time: number): void {
    if (this.#left === 0) {
      this.ctx.storage.sql.exec("DELETE FROM blocks WHERE at < ?", time - 2 * WINDOW_SECONDS);
      const calls = Math.min(Math.max(1, this.#written), MAX_BLOCK_CALLS);
      this.ctx.storage.sql.exec("INSERT INTO blocks (at, calls) VALUES (?, ?)", time, calls);
      this.#left = calls;
      this.#written += calls;
    }
    this.#left--;
  }

  #windowOf(capacity: number, time: number): CallWindow {
    if (this.#window && this.#capacity === capacity) return this.#window;
    this.#window = this.#restore(capacity, time);
    this.#capacity = capacity;
    this.#left = 0;
    return this.#window;
  }

  /** Each block was used up, at the latest, when the next one was begun; the last one may have been until just now. */
  #restore(capacity: number, time: number): CallWindow {
    const window = new CallWindow(capacity);
    const { sql } = this.ctx.storage;
    const blocks = sql.exec<{ at: number; calls: number }>("SELECT at, calls FROM blocks ORDER BY seq").toArray();
    for (const [index, { calls }] of blocks.entries()) {
      const usedUpAt = blocks[index + 1]?.at ?? time;
      for (let call = 0; call < calls; call++) window.count(UNKNOWN_TENANT, usedUpAt);
    }
    const [gate] = sql.exec<{ closed_until: number }>("SELECT closed_until FROM gate").toArray();
    if (gate) window.close(gate.closed_until);
    return window;
  }
}
