/**
 * Shares one upstream's API calls among the tenants on it.
 *
 * Cloudflare counts calls over 5 minutes, and blocks *every* call for 5 more once there were too many; so the budget must
 * never be overdrawn, and one busy tenant must not use up what the others will need a minute later.
 *
 * In words, with N the calls of the budget and "the window" the 300 seconds before now:
 *
 * 1. Never more than N calls in any window.
 * 2. A tenant is *active* while a call of its is in the window. Its *guaranteed share* is N / (active tenants + 1): one
 *    place is always kept for a tenant that has not come yet. Within its guaranteed share a tenant is granted every call
 *    that the window has room for.
 * 3. Beyond it, a tenant gets what the others leave. A call is granted if, after it, there is still room for
 *    - what each other active tenant is expected to want: its calls so far, extrapolated to a whole window, but not more
 *      than its guaranteed share (who wants less than that leaves the rest to those who want more: max-min fairness), and
 *    - some newcomers (`NEWCOMER_SHARE` of N);
 *    and if the budget as a whole is not spent faster than it comes back: in the last `PACE_SECONDS`, fewer calls than
 *    their part of N. So a burst cannot leave the rest of the window dry.
 * 4. Background work is no tenant: it has no guaranteed share and lowers no other, and no room is kept for it. It is granted
 *    by rule 3, with `BACKGROUND_RESERVE` of N left besides, and the pace that of what it leaves: so a tenant that
 *    steadily spends no more than that is granted every call, however much background work there is.
 * 5. While the gate is closed (the upstream said 429), nothing is granted.
 */

/** Cloudflare's window. https://developers.cloudflare.com/fundamentals/api/reference/limits/ */
export const WINDOW_SECONDS = 300;
/** Cloudflare's limit per user, over all of its tokens. */
export const STREAM_CALLS_PER_WINDOW = 1_200;
/** Of the limit: for clocks that differ, calls that arrive late and bunched, and a glance at the dashboard. */
const MARGIN_SHARE = 0.05;
/** What a budget is where nothing else is configured. */
export const DEFAULT_CALLS_PER_WINDOW = Math.floor(STREAM_CALLS_PER_WINDOW * (1 - MARGIN_SHARE));
/** Cloudflare raises its limit for some; nobody has a million. */
export const MAX_CALLS_PER_WINDOW = 1_000_000;

/** Room for tenants that were silent for a window: they are granted while others press. */
const NEWCOMER_SHARE = 0.02;
const BACKGROUND_RESERVE = 0.1;
const PACE_SECONDS = 30;
/** A tenant's first calls tell little about its rate; they are taken for those of so much time at least. */
const MIN_OBSERVED_SECONDS = 30;
/** Trying again sooner than this is never worth telling. */
const MIN_RETRY_SECONDS = 1;
/** Sums of times are off by less; a whole second is not told for it. */
const ROUNDING_SECONDS = 0.001;

/** Whose call it is that no tenant has asked for. It counts, but never as an active tenant's. */
export const BACKGROUND_TENANT = "*";

export type CallClass = "foreground" | "background";

export type CallDecision =
  | { readonly granted: true }
  /** Seconds after which the call would be granted if nobody else asked meanwhile. */
  | { readonly granted: false; readonly retryAfterSeconds: number };

interface Call {
  /** Seconds since the epoch. */
  readonly at: number;
  readonly tenant: string;
}

interface Activity {
  calls: number;
  /** Seconds since the epoch, of its first call since it was last silent for a window. */
  since: number;
}

/** The calls of the last 300 seconds. Times are seconds since the epoch, with fractions, and never go back. */
export class SlidingWindowLimiter {
  /** In any window. When it changes, what was granted before still counts. */
  capacity: number;
  /** In order of time; those before `#first` have left the window. */
  #calls: Call[] = [];
  #first = 0;
  /** Calls in the window by the second that they end in, the oldest first. */
  readonly #perSecond = new Map<number, number>();
  readonly #tenants = new Map<string, Activity>();
  #closedUntil = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Calls in the window. */
  get size(): number {
    return this.#calls.length - this.#first;
  }

  /** Decides a call and, if it is granted, counts it. */
  acquire(tenant: string, callClass: CallClass, now: number): CallDecision {
    this.#forget(now);
    const waitSeconds = Math.max(this.#closedUntil - now, this.#waitFor(tenant, callClass, now));
    if (waitSeconds > 0)
      return {
        granted: false,
        retryAfterSeconds: Math.max(MIN_RETRY_SECONDS, Math.ceil(waitSeconds - ROUNDING_SECONDS)),
      };
    this.count(tenant, now);
    return { granted: true };
  }

  /** Counts a call that has been made. */
  count(tenant: string, at: number): void {
    this.#calls.push({ at, tenant });
    const second = Math.ceil(at);
    this.#perSecond.set(second, (this.#perSecond.get(second) ?? 0) + 1);
    if (tenant === BACKGROUND_TENANT) return;
    const activity = this.#tenants.get(tenant);
    if (activity) activity.calls++;
    else this.#tenants.set(tenant, { calls: 1, since: at });
  }

  /** Gives back the newest call of a tenant, which was not made after all. */
  refund(tenant: string): void {
    const index = this.#calls.findLastIndex((call) => call.tenant === tenant);
    if (index < this.#first) return;
    for (const call of this.#calls.splice(index, 1)) this.#leave(call);
  }

  /** How many calls there were in each second; each is taken for one at the second's end, never for an earlier one. */
  countsPerSecond(): readonly (readonly [at: number, calls: number])[] {
    return [...this.#perSecond];
  }

  /** The upstream refuses calls until then. */
  blockUntil(until: number): void {
    this.#closedUntil = Math.max(this.#closedUntil, until);
  }

  /** Seconds until a call of this tenant could be granted; 0 or less: now. */
  #waitFor(tenant: string, callClass: CallClass, now: number): number {
    const room = this.capacity - this.size;
    if (room < 1) return this.#untilRoom(1, now);
    const share = this.#guaranteedShare(tenant);
    const calls = this.#tenants.get(tenant)?.calls ?? 0;
    if (callClass === "foreground" && calls < share) return 0;

    const isBackground = callClass === "background";
    const reserve = this.capacity * (NEWCOMER_SHARE + (isBackground ? BACKGROUND_RESERVE : 0));
    const kept = this.#expectedOfOthers(tenant, share, now) + reserve;
    if (room - 1 < kept) return this.#untilRoom(kept + 1, now);
    return this.#untilPace(isBackground ? this.capacity - reserve : this.capacity, now);
  }

  #guaranteedShare(tenant: string): number {
    const isCounted = this.#tenants.has(tenant) || tenant === BACKGROUND_TENANT;
    const active = this.#tenants.size + (isCounted ? 0 : 1);
    return this.capacity / (active + 1);
  }

  /** What the other active tenants are expected to want yet, each up to its guaranteed share. */
  #expectedOfOthers(tenant: string, share: number, now: number): number {
    let expected = 0;
    for (const [other, { calls, since }] of this.#tenants) {
      if (other === tenant) continue;
      const observed = Math.min(WINDOW_SECONDS, Math.max(MIN_OBSERVED_SECONDS, now - since));
      // One more than it had: who comes every window as often is not refused for being a little early.
      const wanted = Math.min(share, (calls * WINDOW_SECONDS) / observed + 1);
      expected += Math.max(0, wanted - calls);
    }
    return expected;
  }

  /** Seconds until the window has room for so many calls, if no more are made. */
  #untilRoom(places: number, now: number): number {
    const missing = Math.ceil(places - (this.capacity - this.size));
    const leaving = this.#calls[Math.min(this.#first + missing, this.#calls.length) - 1];
    return leaving ? leaving.at + WINDOW_SECONDS - now : 0;
  }

  /** Seconds until the last `PACE_SECONDS` have seen fewer calls than is their part of so many in a window. */
  #untilPace(calls: number, now: number): number {
    const part = Math.max(1, Math.floor((calls * PACE_SECONDS) / WINDOW_SECONDS));
    const call = this.size < part ? undefined : this.#calls[this.#calls.length - part];
    return call ? call.at + PACE_SECONDS - now : 0;
  }

  #forget(now: number): void {
    for (;;) {
      const oldest = this.#calls[this.#first];
      if (!oldest || oldest.at > now - WINDOW_SECONDS) break;
      this.#first++;
      this.#leave(oldest);
    }
    // Moved down once half of the array is behind the window, so that forgetting costs nothing per call.
    if (this.#first * 2 <= this.#calls.length) return;
    this.#calls = this.#calls.slice(this.#first);
    this.#first = 0;
  }

  #leave({ at, tenant }: Call): void {
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
