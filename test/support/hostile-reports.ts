import { USUAL_MAXIMA } from "../../src/core/stream/rules/defaults.ts";
import { parseVideo } from "../../src/core/stream/rules/parse-video.ts";
import type { StreamVideo } from "../../src/core/stream/rules/video.ts";
import type { Random } from "../fuzz/random.ts";
import { nested } from "./nested.ts";

const NUMBERS: readonly unknown[] = [
  1e300,
  -1e300,
  Number.MAX_VALUE,
  Number.MAX_SAFE_INTEGER,
  2 ** 53,
  Infinity,
  -Infinity,
  -1,
  -0,
  0,
  0.1,
  1e-300,
  360_000,
  360_000.001,
  3e11,
  3e11 + 1,
  36_000.0004,
  7.401,
  3.333,
  "12",
  "1e300",
  "",
  null,
  true,
  [],
  [5],
  {},
  { valueOf: 5 },
  undefined,
];
const STATES: readonly unknown[] = [
  "ready",
  "ready",
  "ready",
  "ready",
  "error",
  "pendingupload",
  "inprogress",
  "queued",
  "live-inprogress",
  "",
  5,
  null,
  "x".repeat(10_000),
];
const TIMES: readonly unknown[] = [
  "+275760-09-13T00:00:00Z",
  "-271821-04-20T00:00:00Z",
  "1970-01-01T00:00:00Z",
  "2099-12-31T00:00:00Z",
  "yesterday",
  "",
  0,
  1e300,
  null,
  {},
  "9".repeat(10_000),
];
const TEXTS: readonly unknown[] = ["user-1", "u".repeat(10_000), "\u0000", "\ud800", "", 5, null, [], undefined];

/** Reports of any kind about a growing number of uploads, and about videos of no upload. */
export class HostileReports {
  readonly #random: Random;
  readonly #known: { readonly uid: string; readonly tag: string }[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  know(uid: string, tag: string): void {
    this.#known.push({ uid, tag });
  }

  /** @returns `undefined` if it is no video */
  next(): StreamVideo | undefined {
    const random = this.#random;
    // Mostly the newest: older ones are settled.
    const recent = this.#known.slice(-200);
    const [one, other] = [random.pick(recent), random.pick(recent)];
    const number = () => (random.chance(0.5) ? random.below(400_000) / 1_000 : random.pick(NUMBERS));
    const time = () =>
      random.chance(0.7) ? new Date(Date.now() - random.below(900_000)).toISOString() : random.pick(TIMES);
    const tags = [one?.tag, one?.tag, other?.tag, one?.tag.replace(/\/[^/]*$/, ""), "acme/x", "x", 5];
    const meta = {
      sluice: random.pick(tags),
      name: random.pick(TEXTS),
      ...(random.chance(0.01) && { deep: nested(4_000) }),
    };
    return parseVideo(
      {
        uid: random.chance(0.9) ? one?.uid : random.pick(["", "../x", 5, "f".repeat(32), null]),
        status: { state: random.pick(STATES), errorReasonCode: random.pick(TEXTS) },
        duration: number(),
        size: random.chance(0.5) ? random.below(1e9) : number(),
        maxDurationSeconds: number(),
        input: { width: number(), height: number() },
        playback: { hls: random.pick(TEXTS) },
        creator: random.pick(TEXTS),
        created: time(),
        uploadExpiry: time(),
        meta: random.chance(0.9) ? meta : random.pick(TEXTS),
      },
      USUAL_MAXIMA,
    );
  }
}
