import { LatestTime } from "../../core/shared/latest-time.ts";
import { type RecentCreation, RATE_WINDOW_SECONDS } from "../../core/quota/rules/check-limits.ts";

/** Memory bound. An object handles about 1,000 requests a second; rate limits above this number have no effect. */
const MAX_RECENT = 10_000;

/**
 * A tenant's creations of the last minute, in memory: read from disk on first use instead of on each creation. Creations that
 * Stream rejected are included but have no row, so a restart loses them.
 */
export class RecentCreations {
  readonly #load: (after: number) => RecentCreation[];
  readonly #latest = new LatestTime();
  /** In the order in which they were made. */
  #creations: RecentCreation[] | undefined;

  /** @param load reads the stored creations after a time, oldest first */
  constructor(load: (after: number) => RecentCreation[]) {
    this.#load = load;
  }

  at(time: number): readonly RecentCreation[] {
    const minute = time - RATE_WINDOW_SECONDS;
    let creations = (this.#creations ??= this.#load(minute));
    this.#latest.see(creations.at(-1)?.created ?? 0);
    if (this.#latest.isCorrected(time, RATE_WINDOW_SECONDS))
      creations = this.#creations = creations.filter(({ created }) => created <= time);
    while (creations[0] && creations[0].created <= minute) creations.shift();
    return creations;
  }

  add(creation: RecentCreation): void {
    if (this.#creations && this.#creations.push(creation) > MAX_RECENT) this.#creations.shift();
  }

  /** Takes back a creation that was not sent to Stream. */
  remove(id: string): void {
    this.#creations = this.#creations?.filter((creation) => creation.id !== id);
  }
}
