/** What can go wrong on demand, so that tests see how others bear it. */
export interface Fault {
  /** Which operation it befalls. */
  readonly on: "create" | "api" | "head" | "patch" | "webhook";
  /**
   * - `latency`: answers after `milliseconds`
   * - `reset`: the connection breaks before anything was done
   * - `reset-after`: it breaks when everything was done, but not answered; on `patch`, after `bytes`
   * - `status`: answers with `status` and `body`, and does nothing
   * - `location`: answers 201 with this `Location`, `{url}` standing for the right one; without `location`, with none
   * - `uid`: answers 201 with this `stream-media-id`
   * - `lose`, `repeat`: of webhooks
   */
  readonly kind: "latency" | "reset" | "reset-after" | "status" | "location" | "uid" | "lose" | "repeat";
  /** How often; once, unless it says otherwise. */
  readonly times?: number;
  /** Share of the operations that it befalls, as long as it lasts: 0 to 1. */
  readonly probability?: number;
  readonly milliseconds?: number;
  readonly bytes?: number;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly location?: string;
  readonly uid?: string;
}

/** The faults that are waiting for their operation, first come first served. */
export class Faults {
  #waiting: { readonly fault: Fault; left: number }[] = [];
  #seed = 1;

  add(fault: Fault): void {
    this.#waiting.push({ fault, left: fault.times ?? 1 });
  }

  clear(): void {
    this.#waiting = [];
    this.#seed = 1;
  }

  /** The fault that befalls this operation, if any. */
  take(on: Fault["on"]): Fault | undefined {
    const found = this.#waiting.find(
      ({ fault }) => fault.on === on && (fault.probability === undefined || this.#random() < fault.probability),
    );
    if (!found) return undefined;
    found.left--;
    if (found.left <= 0) this.#waiting = this.#waiting.filter((one) => one !== found);
    return found.fault;
  }

  /** mulberry32: the same after every `clear`, so that a failing test fails again. */
  #random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
}
