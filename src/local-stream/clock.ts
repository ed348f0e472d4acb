import { setTimeout as wait } from "node:timers/promises";

/** The clock of this Stream; tests can advance it. */
export class Clock {
  #offsetMs = 0;
  #resets = 0;
  readonly #stop = new AbortController();

  /** Milliseconds since the epoch. */
  now(): number {
    return Date.now() + this.#offsetMs;
  }

  advance(milliseconds: number): void {
    this.#offsetMs += milliseconds;
  }

  reset(): void {
    this.#offsetMs = 0;
    this.#resets++;
  }

  /** Number of resets so far. */
  get resets(): number {
    return this.#resets;
  }

  /** Aborted when the Stream is closed. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Waits in real time, ignoring the offset. Rejects when the Stream is closed. */
  async sleep(milliseconds: number): Promise<void> {
    if (milliseconds > 0) await wait(milliseconds, undefined, { signal: this.stopped });
    this.stopped.throwIfAborted();
  }
}
