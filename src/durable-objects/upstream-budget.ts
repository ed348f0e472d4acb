import { DurableObject } from "cloudflare:workers";
import { parseConfig } from "../config.ts";
import {
  type CallClass,
  type CallDecision,
  STALE_PLAN,
  SlidingWindowLimiter,
} from "../core/budget/rules/call-window.ts";
import type { Budget } from "../core/ports/budget.ts";
import { MAX_RETRY_AFTER_SECONDS } from "../core/stream/rules/retry-after.ts";
import type { PlanVersion } from "../core/shared/tenant.ts";
import { errorMessage } from "../core/shared/text.ts";
import { searchLostUploads } from "../core/uploads/search-lost-uploads.ts";
import { type SearchDependencies, createSearchDependencies } from "../dependencies.ts";

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
 * Time from a lost creation to the first search for its video: Stream lists it by then, and other tenants' creations are lost in
 * the same seconds.
 */
const FIRST_SEARCH_SECONDS = 10;
const SEARCH_INTERVAL_SECONDS = 60;

/**
 * The Durable Object with the call budget of one upstream. Every API call of every tenant takes a call from it first. Decisions
 * use memory only; the number of calls per second is stored.
 *
 * It also searches for the videos of lost creations, since one list serves all tenants.
 */
export class UpstreamBudget extends DurableObject<Env> {
  #window: SlidingWindowLimiter | undefined;
  /** Calls granted since the object started. */
  #granted = 0;
  /** Calls that are written ahead and not yet granted. */
  #ahead = 0;
  /** Newest known version by plan. Read when the first call names a plan. */
  #plans: Map<string, number> | undefined;
  #dependencies: SearchDependencies | undefined;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    state.storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS calls (
        one INTEGER PRIMARY KEY CHECK (one = 1), made TEXT NOT NULL, ahead INTEGER NOT NULL
      );
      CREATE TABLE IF NOT EXISTS gate (one INTEGER PRIMARY KEY CHECK (one = 1), closed_until REAL NOT NULL);
      CREATE TABLE IF NOT EXISTS searches (tenant TEXT PRIMARY KEY) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS plans (id TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID`);
  }

  /**
   * Counts a call before it is made. Returns a plain number, because for an object both sides of an RPC keep a handle for
   * further calls.
   *
   * @param capacity the upstream's configured calls per window
   * @param plan that the call was decided by
   * @returns 0 if the call is granted, else the seconds after which to try again, or `STALE_PLAN`
   */
  acquire(capacity: number, tenant: string, callClass: CallClass, plan?: PlanVersion): number {
    if (plan && this.learnPlan(plan.id, plan.version) > plan.version) return STALE_PLAN;
    const call = this.#acquire(capacity, tenant, callClass);
    return call.granted ? 0 : call.retryAfterSeconds;
  }

  /** Refuses, from now on, calls that were decided by an older version of the plan. @returns the newest version it knows */
  learnPlan(id: string, version: number): number {
    const { sql } = this.ctx.storage;
    this.#plans ??= new Map(sql.exec("SELECT id, version FROM plans").raw<[string, number]>());
    const known = this.#plans.get(id) ?? 0;
    if (version <= known) return known;
    sql.exec("INSERT OR REPLACE INTO plans (id, version) VALUES (?, ?)", id, version);
    this.#plans.set(id, version);
    return version;
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

  /** Searches for the videos of a tenant's lost creations, as long as its ledger has any. */
  async searchFor(tenant: string): Promise<void> {
    this.ctx.storage.sql.exec("INSERT OR IGNORE INTO searches (tenant) VALUES (?)", tenant);
    if ((await this.ctx.storage.getAlarm()) === null) await this.#searchIn(FIRST_SEARCH_SECONDS);
  }

  /** Never throws, since the platform gives up an alarm after six failures. */
  override async alarm(): Promise<void> {
    const { sql } = this.ctx.storage;
    const tenants = sql.exec<{ tenant: string }>("SELECT tenant FROM searches").toArray();
    let waitSeconds: number | undefined;
    try {
      const search = await this.#search(tenants.map(({ tenant }) => tenant));
      for (const tenant of search.finished) sql.exec("DELETE FROM searches WHERE tenant = ?", tenant);
      ({ waitSeconds } = search);
    } catch (error) {
      console.error(`Search for lost uploads: ${errorMessage(error)}`);
    }
    const { left } = sql.exec<{ left: number }>("SELECT count(*) AS left FROM searches").one();
    if (left > 0) await this.#searchIn(Math.max(SEARCH_INTERVAL_SECONDS, waitSeconds ?? 0));
  }

  #search(tenants: readonly string[]) {
    const { name } = this.ctx.id;
    if (name === undefined) throw new Error("A budget needs a name.");
    this.#dependencies ??= createSearchDependencies(this.env, parseConfig(this.env));
    const { registry, stream, ledgers } = this.#dependencies;
    const acquire: Budget["acquire"] = (upstream, tenant, callClass) =>
      Promise.resolve(this.#acquire(upstream.callsPerWindow, tenant, callClass));
    return searchLostUploads({ registry, stream, ledgers, budget: { acquire } }, name, tenants);
  }

  #acquire(capacity: number, tenant: string, callClass: CallClass): CallDecision {
    const time = Date.now() / 1000;
    this.#window ??= this.#restore(capacity, time);
    this.#window.capacity = capacity;
    const call = this.#window.acquire(tenant, callClass, time);
    if (call.granted) this.#writeAhead(this.#window);
    return call;
  }

  #searchIn(seconds: number): Promise<void> {
    return this.ctx.storage.setAlarm(Date.now() + seconds * 1000);
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
        for (let call = 0; call < calls; call++) window.count(UNKNOWN_TENANT, at);
      // The calls ahead now have a time: without this write, the next restart would count them at a later one.
      if (stored.ahead > 0) this.#write(window, 0);
    }
    const [gate] = sql.exec<{ closed_until: number }>("SELECT closed_until FROM gate").toArray();
    // No cool-down is longer: the clock has gone back.
    if (gate && gate.closed_until <= time + MAX_RETRY_AFTER_SECONDS) window.blockUntil(gate.closed_until);
    return window;
  }
}
