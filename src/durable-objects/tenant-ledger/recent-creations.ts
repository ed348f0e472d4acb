import { type RecentCreation, RATE_WINDOW_SECONDS } from "../../core/quota/rules/check-limits.ts";

/** An object takes about 1,000 requests a second; a higher limit per minute than this is none. */
const MAX_RECENT = 10_000;

/**
 * A tenant's creations of the last minute, in memory, so that they need not be read for each creation; read once, when they
 * are first asked for. Those that Stream refused are among them and have no row: an object that starts anew does not know
 * them.
 */
export class RecentCreations {
  readonly #read: (after: number) => RecentCreation[];
  /** The oldest first. */
  #creations: RecentCreation[] | undefined;

  /** @param read those that are on disk, the oldest first */
  constructor(read: (after: number) => RecentCreation[]) {
    this.#read = read;
  }

  at(time: number): readonly RecentCreation[] {
    const minute = time - RATE_WINDOW_SECONDS;
    const creations = (this.#creations ??= this.#read(minute));
    while (creations[0] && creations[0].created <= minute) creations.shift();
    return creations;
  }

  add(creation: RecentCreation): void {
    if (this.#creations && this.#creations.push(creation) > MAX_RECENT) this.#creations.shift();
  }

  /** It was none after all. */
  remove(id: string): void {
    this.#creations = this.#creations?.filter((creation) => creation.id !== id);
  }
}
