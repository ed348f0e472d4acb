import { type Answer, fail } from "./http.ts";

/** [C] */
const WINDOW_MS = 300_000;

/** "1,200 calls per 5 minutes per user, over all tokens; beyond it every call is blocked for 5 minutes." [C] */
export class ApiLimit {
  #calls: number[] = [];
  #blockedUntil = 0;
  readonly #limit: number;
  readonly #now: () => number;

  constructor(limit: number, now: () => number) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Counts a call; the answer where it is one too many. */
  count(): Answer | undefined {
    const now = this.#now();
    if (now < this.#blockedUntil) return this.#refuse(now);
    // The window slides: the first still in it is found from the front, as calls come in order.
    const firstWithin = this.#calls.findIndex((at) => at > now - WINDOW_MS);
    this.#calls = firstWithin < 0 ? [] : this.#calls.slice(firstWithin);
    if (this.#calls.length < this.#limit) {
      this.#calls.push(now);
      return undefined;
    }
    this.#blockedUntil = now + WINDOW_MS;
    return this.#refuse(now);
  }

  clear(): void {
    this.#calls = [];
    this.#blockedUntil = 0;
  }

  #refuse(now: number): Answer {
    const seconds = String(Math.ceil((this.#blockedUntil - now) / 1000));
    return fail(429, 971, "Please wait and consider throttling your request speed", {
      "retry-after": seconds,
      "x-ratelimit-limit": String(this.#limit),
      "x-ratelimit-remaining": "0",
      "x-ratelimit-reset": seconds,
    });
  }
}
