/**
 * Shares one upstream's API calls among its tenants.
 *
 * Cloudflare counts calls over 5 minutes. Above the limit it blocks *every* call for 5 minutes. So the budget is never
 * exceeded, and no busy tenant may use up the calls that others need a minute later.
 *
 * N is the number of calls in the budget, and the window is the last 300 seconds.
 *
 * 1. Limit: at most N calls in any window.
 * 2. Guaranteed share: a tenant is *active* while it has a call in the window. Its guaranteed share is
 *    N / (active tenants + 1), so there is always a place for a new tenant. Within its share, a tenant is granted every call
 *    for which the window has room.
 * 3. Above its share, a tenant is granted a call if two conditions hold.
 *    - Room: afterwards the window still has room for `NEWCOMER_SHARE` of N, and for the further calls that are expected of
 *      each other active tenant: its calls so far are extrapolated to a whole window, up to its guaranteed share. (What a
 *      tenant does not need of its share goes to tenants that need more: max-min fairness.)
 *    - Pace: the last `PACE_SECONDS` have fewer calls than their part of N, so a burst leaves calls for the rest of the
 *      window.
 * 4. Background calls belong to no tenant: they have no guaranteed share, lower no share, and no room is kept for them. They
 *    are granted by rule 3, with `BACKGROUND_RESERVE` of N kept free as well, at the pace of N minus both reserves. So a
 *    tenant whose steady rate is within that pace is granted every call, regardless of the background load.
 * 5. Cool-down: after a 429 of the upstream, no call is granted until the time that it stated.
 */

import { LatestTime } from "../../shared/latest-time.ts";

/** Cloudflare's window. https://developers.cloudflare.com/fundamentals/api/reference/limits/ */
export const WINDOW_SECONDS = 300;
/** Cloudflare's limit per user, over all of its tokens. */
export const STREAM_CALLS_PER_WINDOW = 1_200;
/** Part of the limit left unused: for clock differences, calls that arrive late and bunched, and the operator's dashboard. */
const MARGIN_SHARE = 0.05;
/** The budget of an upstream without a configured one. */
export const DEFAULT_CALLS_PER_WINDOW = Math.floor(STREAM_CALLS_PER_WINDOW * (1 - MARGIN_SHARE));
/** Cloudflare raises its limit for some accounts, but not to a million. */
export const MAX_CALLS_PER_WINDOW = 1_000_000;

/** Kept free for tenants without a call in the window, so that they are granted calls under load. */
const NEWCOMER_SHARE = 0.02;
const BACKGROUND_RESERVE = 0.1;
const PACE_SECONDS = 30;
/** Shortest time from which a tenant's rate is extrapolated, since its first calls say little about it. */
const MIN_OBSERVED_SECONDS = 30;
/** Smallest `retryAfterSeconds`. */
const MIN_RETRY_SECONDS = 1;
/** Exceeds the rounding error of a sum of times, which must not add a whole second to `retryAfterSeconds`. */
const ROUNDING_SECONDS = 0.001;

/** Stands for no tenant: its calls count, but never make an active tenant. */
export const BACKGROUND_TENANT = "*";

export type CallClass = "foreground" | "background";

export type CallDecision =
  | { readonly granted: true }
  /** Seconds after which the call would be granted if no other calls are made. */
  | {
      readonly granted: false;
      readonly retryAfterSeconds: number;
      /** The creation was decided by a version of its plan that has changed since. */
      readonly isStale?: true;
    };

/** What a budget object answers instead of seconds to a creation that was decided by an older version of its plan. */
export const STALE_PLAN = -1;

interface Call {
  /** Seconds since the epoch. */
  readonly at: number;
  readonly tenant: string;
}

interface Activity {
  calls: number;
  /** Seconds since the epoch of its first call since its last window without calls. */
  since: number;
}

/** The calls of the last 300 seconds. Times are seconds since the epoch, with fractions. */
export class SlidingWindowLimiter {
  /** Calls allowed in any window. Earlier calls still count after a change. */
  capacity: number;
  /** In order of time. Calls before index `#first` have left the window. */
  #calls: Call[] = [];
  #first = 0;
  /** Number of calls in the window by second, rounded up; oldest first. */
  readonly #perSecond = new Map<number, number>();
  readonly #tenants = new Map<string, Activity>();
  readonly #latest = new LatestTime();
  #blockedUntil = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Calls in the window. */
  get size(): number {
    return this.#calls.length - this.#first;
  }

  /** Decides a call, and counts it if it is granted. */
  acquire(tenant: string, callClass: CallClass, now: number): CallDecision {
    // The clock was corrected: calls at later times have left the window, and a cool-down that was stated then is over.
    if (this.#latest.isCorrected(now, WINDOW_SECONDS)) {
      this.#calls = this.#calls.slice(this.#first).filter((call) => call.at <= now || this.#remove(call));
      this.#first = this.#blockedUntil = 0;
    }
    this.#removeExpired(now);
    const waitSeconds = Math.max(this.#blockedUntil - now, this.#waitFor(tenant, callClass, now));
    if (waitSeconds > 0)
      return {
        granted: false,
        retryAfterSeconds: Math.min(
          WINDOW_SECONDS,
          Math.max(MIN_RETRY_SECONDS, Math.ceil(waitSeconds - ROUNDING_SECONDS)),
        ),
      };
    this.count(tenant, now);
    return { granted: true };
  }

  /** Counts a call without a decision. */
  count(tenant: string, at: number): void {
    // Restored calls are rounded up to the end of their second: calls of that second go before them. A clock that has gone back by
    // more does not change the order.
    const index = this.#calls.findLastIndex((call) => call.at <= at || call.at >= at + 1) + 1;
    this.#calls.splice(Math.max(this.#first, index), 0, { at, tenant });
    this.#latest.see(at);
    const second = Math.ceil(at);
    this.#perSecond.set(second, (this.#perSecond.get(second) ?? 0) + 1);
    if (tenant === BACKGROUND_TENANT) return;
    const activity = this.#tenants.get(tenant);
    if (activity) activity.calls++;
    else this.#tenants.set(tenant, { calls: 1, since: at });
  }

  /** Gives back the newest call of a tenant, because it was not made. */
  refund(tenant: string): void {
    const index = this.#calls.findLastIndex((call) => call.tenant === tenant);
    if (index < this.#first) return;
    for (const call of this.#calls.splice(index, 1)) this.#remove(call);
  }

  /** Number of calls per second, for storage. Times are rounded up, so a restored call never leaves the window too early. */
  countsPerSecond(): readonly (readonly [at: number, calls: number])[] {
    return [...this.#perSecond];
  }

  /** Starts a cool-down, or extends it: no call is granted before `until`. */
  blockUntil(until: number): void {
    this.#blockedUntil = Math.max(this.#blockedUntil, until);
  }

  /** Seconds until a call of this tenant could be granted; 0 or less if now. */
  #waitFor(tenant: string, callClass: CallClass, now: number): number {
    const room = this.capacity - this.size;
    if (room < 1) return this.#untilRoom(1, now);
    const share = this.#guaranteedShare(tenant);
    const calls = this.#tenants.get(tenant)?.calls ?? 0;
    if (callClass === "foreground" && calls < share) return 0;

    const isBackground = callClass === "background";
    const reserve = this.capacity * (NEWCOMER_SHARE + (isBackground ? BACKGROUND_RESERVE : 0));
    const reserved = this.#expectedOfOthers(tenant, share, now) + reserve;
    if (room - 1 < reserved) return this.#untilRoom(reserved + 1, now);
    return this.#untilPace(isBackground ? this.capacity - reserve : this.capacity, now);
  }

  #guaranteedShare(tenant: string): number {
    const isCounted = this.#tenants.has(tenant) || tenant === BACKGROUND_TENANT;
    const active = this.#tenants.size + (isCounted ? 0 : 1);
    return this.capacity / (active + 1);
  }

  /** Further calls expected of the other active tenants, each up to its guaranteed share. */
  #expectedOfOthers(tenant: string, share: number, now: number): number {
    let expected = 0;
    for (const [other, { calls, since }] of this.#tenants) {
      if (other === tenant) continue;
      const observed = Math.min(WINDOW_SECONDS, Math.max(MIN_OBSERVED_SECONDS, now - since));
      // Plus one, so that a tenant with a steady rate is not refused for a call that is slightly early.
      const total = Math.min(share, (calls * WINDOW_SECONDS) / observed + 1);
      expected += Math.max(0, total - calls);
    }
    return expected;
  }

  /** Seconds until the window has room for this number of calls, if no other calls are made. */
  #untilRoom(places: number, now: number): number {
    const missing = Math.ceil(places - (this.capacity - this.size));
    const leaving = this.#calls[Math.min(this.#first + missing, this.#calls.length) - 1];
    return leaving ? leaving.at + WINDOW_SECONDS - now : 0;
  }

  /** Seconds until the last `PACE_SECONDS` have fewer calls than their part of `calls` per window. */
  #untilPace(calls: number, now: number): number {
    const part = Math.max(1, Math.floor((calls * PACE_SECONDS) / WINDOW_SECONDS));
    const call = this.size < part ? undefined : this.#calls[this.#calls.length - part];
    return call ? call.at + PACE_SECONDS - now : 0;
  }

  #removeExpired(now: number): void {
    for (;;) {
      const oldest = this.#calls[this.#first];
      if (!oldest || oldest.at > now - WINDOW_SECONDS) break;
      this.#first++;
      this.#remove(oldest);
    }
    // Copied only when more than half of the array has left the window: constant cost per call on average.
    if (this.#first * 2 <= this.#calls.length) return;
    this.#calls = this.#calls.slice(this.#first);
    this.#first = 0;
  }

  #remove({ at, tenant }: Call): void {
    const second = Math.ceil(at);
    const others = (this.#perSecond.get(second) ?? 1) - 1;
    if (others > 0) this.#perSecond.set(second, others);
    else this.#perSecond.delete(second);
    const activity = this.#tenants.get(tenant);
    if (!activity) return;
    activity.calls--;
    if (activity.calls === 0) this.#tenants.delete(tenant);
  }
}
