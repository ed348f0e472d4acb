/** What can go wrong on demand, so that tests see how others bear it. */
export interface Fault {
  /**
   * Which operation it befalls: `create`, a creation by tus; `api`, any other call of the API (links for basic uploads,
   * too); `head` and `patch`, the upload host (the form of a basic upload counts as `patch`); `webhook`, an event.
   */
  readonly on: (typeof OPERATIONS)[number];
  /**
   * - `latency`: goes on after `milliseconds`; a client that has left does not stop it
   * - `reset`: the connection breaks before anything was done
   * - `reset-after`: it breaks when everything was done, but not answered; on `patch` with `bytes`, after so many
   * - `status`: answers with `status`, `headers` and `body`, and does nothing
   * - `refuse`: answers as Stream does in the situation `as`, and does nothing
   * - `location`: answers 201 with this `Location`, `{url}` standing for the right one; without `location`, with none
   * - `uid`: answers 201 with this `stream-media-id`
   * - `headers`: answers 201 with these `headers` besides
   * - `lose`, `repeat`: of webhooks
   */
  readonly kind: (typeof KINDS)[number];
  /** How often; once, unless it says otherwise. With a probability: until the faults are cleared. */
  readonly times?: number;
  /** Share of the operations that it befalls: 0 to 1. */
  readonly probability?: number;
  /** Of the random numbers behind the probability: equal seeds, equal fates. 1, unless it says otherwise. */
  readonly seed?: number;
  /** Waited before anything else, by faults of every kind. */
  readonly milliseconds?: number;
  readonly bytes?: number;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly as?: (typeof REFUSALS)[number];
  readonly location?: string;
  readonly uid?: string;
}

const OPERATIONS = ["create", "api", "head", "patch", "webhook"] as const;
const KINDS = [
  "latency",
  "reset",
  "reset-after",
  "status",
  "refuse",
  "location",
  "uid",
  "headers",
  "lose",
  "repeat",
] as const;
const REFUSALS = ["rate", "queue", "storage", "unauthorized", "forbidden", "unavailable"] as const;

interface Waiting {
  readonly fault: Fault;
  left: number;
  readonly random: () => number;
}

/** The faults that are waiting for their operation, first come first served. */
export class Faults {
  #waiting: Waiting[] = [];

  /** Throws a `TypeError` where it is none. */
  add(fault: Fault): void {
    checkFault(fault);
    const left = fault.times ?? (fault.probability === undefined ? 1 : Number.POSITIVE_INFINITY);
    this.#waiting.push({ fault, left, random: createRandom(fault.seed ?? 1) });
  }

  clear(): void {
    this.#waiting = [];
  }

  /** Those that have not befallen all they will. */
  list(): readonly Fault[] {
    return this.#waiting.map(({ fault }) => fault);
  }

  /** The fault that befalls this operation, if any. */
  take(on: Fault["on"]): Fault | undefined {
    const found = this.#waiting.find(
      ({ fault, random }) => fault.on === on && (fault.probability === undefined || random() < fault.probability),
    );
    if (!found) return undefined;
    found.left--;
    if (found.left <= 0) this.#waiting = this.#waiting.filter((one) => one !== found);
    return found.fault;
  }
}

/** Faults come from other processes as well; one with a slip in it would let a test pass that has tested nothing. */
function checkFault({ on, kind, as, times, probability }: Fault): void {
  const known = <T>(list: readonly T[], value: T, name: string) => {
    if (!list.includes(value)) throw new TypeError(`${name} must be one of ${list.join(", ")}`);
  };
  known(OPERATIONS, on, "on");
  known(KINDS, kind, "kind");
  if (kind === "refuse") known(REFUSALS, as, "as");
  if (times !== undefined && !(Number.isInteger(times) && times >= 1)) throw new TypeError("times must be 1 or more");
  if (probability !== undefined && !(probability >= 0 && probability <= 1))
    throw new TypeError("probability must be 0 to 1");
}

/** mulberry32: the same after the same seed, so that a failing test fails again. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
