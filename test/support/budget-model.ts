import { BACKGROUND_TENANT, WINDOW_SECONDS } from "../../src/core/budget/rules/call-window.ts";

interface Call {
  readonly tenant: string;
  /** Seconds since the epoch. */
  readonly at: number;
}

const MAX_CALLS_AHEAD = 31;
/** Of the calls of before a start; all that is known of them is their second. */
const UNKNOWN_TENANT = "";

/** What a budget's object has to know, in the simplest way: as lists of calls. Times are seconds since the epoch. */
export class BudgetModel {
  capacity = 50;
  closedUntil = 0;
  /** An evicted object starts anew when it is next asked for a call. */
  isEvicted = false;
  /** What Stream sees: granted and not given back. */
  #made: readonly Call[] = [];
  /** What the object counts: never less. */
  #counted: readonly Call[] = [];
  #granted = 0;
  #left = 0;
  #onDisk: { readonly calls: readonly Call[]; readonly ahead: number } = { calls: [], ahead: 0 };

  made(now: number): readonly Call[] {
    return inWindow(this.#made, now);
  }

  counted(now: number): readonly Call[] {
    return inWindow(this.#counted, now);
  }

  /** What must become of a call; undefined: that depends on what the others are expected to want. */
  decide(tenant: string, now: number): boolean | undefined {
    const counted = this.counted(now);
    if (now < this.closedUntil || counted.length >= this.capacity) return false;
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
    if (this.#left > 0) this.#left--;
    else {
      this.#left = Math.min(this.#granted, MAX_CALLS_AHEAD);
      this.#onDisk = { calls: this.counted(now), ahead: this.#left };
    }
    this.#granted++;
  }

  /** The tenant's newest call was not made; an object that does not run, or no longer knows whose it was, counts it. */
  refund(tenant: string): void {
    this.#made = withoutNewest(this.#made, tenant);
    if (!this.isEvicted) this.#counted = withoutNewest(this.#counted, tenant);
  }

  /** It knows no more than what is on disk. */
  start(now: number): void {
    const known = this.#onDisk.calls.map(({ at }) => Math.min(Math.ceil(at), now));
    const ahead = Array.from({ length: this.#onDisk.ahead }, () => now);
    this.#counted = [...known, ...ahead].map((at) => ({ tenant: UNKNOWN_TENANT, at }));
    if (this.#onDisk.ahead > 0) this.#onDisk = { calls: this.#counted, ahead: 0 };
    this.#granted = 0;
    this.#left = 0;
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
