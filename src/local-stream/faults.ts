/** A fault that a test injects. */
export interface Fault {
  /**
   * The operation that fails: `create`, a tus creation; `api`, any other API call (basic links included); `head` and `patch`,
   * the upload host (the form of a basic upload counts as `patch`); `playback`, the playback host; `webhook`, a notification.
   */
  readonly on: (typeof OPERATIONS)[number];
  /**
   * - `latency`: continues after `milliseconds`, even if the client has disconnected
   * - `reset`: breaks the connection before any work
   * - `reset-after`: breaks the connection after the work, before the answer; on `patch` with `bytes`, after that many bytes
   * - `status`: answers with `status`, `headers` and `body`, without any work
   * - `refuse`: answers as Stream does in the situation `as`, without any work
   * - `location`: answers 201 with this `Location`, where `{url}` is the right one; without `location`, omits the header
   * - `uid`: answers 201 with this `stream-media-id`
   * - `headers`: answers 201 with these additional `headers`
   * - `lose`, `repeat`: loses or repeats a webhook call
   */
  readonly kind: (typeof KINDS)[number];
  /** How many operations fail. Default: 1; with a probability, until the faults are cleared. */
  readonly times?: number;
  /** Share of the operations that fail: 0 to 1. */
  readonly probability?: number;
  /** Seed of the random numbers behind the probability. Default: 1. */
  readonly seed?: number;
  /** Delay before the fault, for faults of every kind. */
  readonly milliseconds?: number;
  readonly bytes?: number;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly as?: (typeof REFUSALS)[number];
  readonly location?: string;
  readonly uid?: string;
}

const OPERATIONS = ["create", "api", "head", "patch", "playback", "webhook"] as const;
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

interface PendingFault {
  readonly fault: Fault;
  left: number;
  readonly random: () => number;
}

/** Pending faults, applied in the order in which they were added. */
export class Faults {
  #pending: PendingFault[] = [];

  /** Throws a `TypeError` for an invalid fault. */
  add(fault: Fault): void {
    checkFault(fault);
    const left = fault.times ?? (fault.probability === undefined ? 1 : Number.POSITIVE_INFINITY);
    this.#pending.push({ fault, left, random: createRandom(fault.seed ?? 1) });
  }

  clear(): void {
    this.#pending = [];
  }

  /** Faults that still apply. */
  list(): readonly Fault[] {
    return this.#pending.map(({ fault }) => fault);
  }

  /** Takes the fault for this operation, if any. */
  take(on: Fault["on"]): Fault | undefined {
    const pending = this.#pending.find(
      ({ fault, random }) => fault.on === on && (fault.probability === undefined || random() < fault.probability),
    );
    if (!pending) return undefined;
    pending.left--;
    if (pending.left <= 0) this.#pending = this.#pending.filter((one) => one !== pending);
    return pending.fault;
  }
}

/** Other processes send faults too; a misspelt fault would let a test pass without testing anything. */
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

/** mulberry32: the same seed gives the same numbers, so that a failing test is repeatable. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
