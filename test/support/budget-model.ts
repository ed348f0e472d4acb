import { BACKGROUND_TENANT, WINDOW_SECONDS } from "../../src/core/budget/rules/call-window.ts";

interface Call {
  readonly tenant: string;
  /** Seconds since the epoch. */
  readonly at: number;
}

const MAX_CALLS_AHEAD = 31;
/** The tenant of calls from before a restart, of which only the second is stored. */
const UNKNOWN_TENANT = "";

/** The state of a budget's Durable Object, in the simplest form: lists of calls. Times are seconds since the epoch. */
export class BudgetModel {
  capacity = 50;
  blockedUntil = 0;
  /** An evicted object restarts at its next call. */
  isEvicted = false;
  /** Calls made to Stream: granted and not refunded. */
  #made: readonly Call[] = [];
  /** Calls that the object counts: at least those made. */
  #counted: readonly Call[] = [];
  #granted = 0;
  #ahead = 0;
  #stored: { readonly calls: readonly Call[]; readonly ahead: number } = { calls: [], ahead: 0 };

  made(now: number): readonly Call[] {
    return inWindow(this.#made, now);
  }

  counted(now: number): readonly Call[] {
    return inWindow(this.#counted, now);
  }

  /** The required decision; `undefined` if it depends on the calls expected of the other tenants. */
  decide(tenant: string, now: number): boolean | undefined {
    const counted = this.counted(now);
    if (now < this.blockedUntil || counted.length >= this.capacity) return false;
    if (tenant === BACKGROUND_TENANT) {
      const leavesReserve = this.capacity - counted.length - 1 >= this.capacity * 0.12;
      return leavesReserve || counted.length === 0 ? undefined : false;
    }
    const active = new Set([tenant, ...counted.map((call) => call.tenant)].filter((one) => one !== BACKGROUND_TENANT));
    const own = counted.filter((call) => call.tenant === tenant).length;
    return own < this.capacity / (active.size + 1) ? true : undefined;
  }

  grant(tenant: string, now: number): void {
    this.#made = [...this.#made, { tenant, at: now }];
    this.#counted = [...this.#counted, { tenant, at: now }];
    if (this.#ahead > 0) this.#ahead--;
    else {
      this.#ahead = Math.min(this.#granted, MAX_CALLS_AHEAD);
      this.#stored = { calls: this.counted(now), ahead: this.#ahead };
    }
    this.#granted++;
  }

  /** Gives back the tenant's newest call. An evicted object, or one that restarted since, still counts it. */
  refund(tenant: string): void {
    this.#made = withoutNewest(this.#made, tenant);
    if (!this.isEvicted) this.#counted = withoutNewest(this.#counted, tenant);
  }

  /** Restarts from the stored state. */
  start(now: number): void {
    const stored = this.#stored.calls.map(({ at }) => Math.ceil(at));
    const ahead = Array.from({ length: this.#stored.ahead }, () => now);
    this.#counted = [...stored, ...ahead].map((at) => ({ tenant: UNKNOWN_TENANT, at }));
    if (this.#stored.ahead > 0) this.#stored = { calls: this.#counted, ahead: 0 };
    this.#granted = 0;
    this.#ahead = 0;
    this.isEvicted = false;
  }
}

function inWindow(calls: readonly Call[], now: number): readonly Call[] {
  return calls.filter(({ at }) => at > now - WINDOW_SECONDS);
}

function withoutNewest(calls: readonly Call[], tenant: string): readonly Call[] {
  const newest = calls.findLastIndex((call) => call.tenant === tenant);
  return calls.filter((_, index) => index !== newest);
}
