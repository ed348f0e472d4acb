import type { Problem } from "./problem.ts";

/** What a step gives: its value, or the problem it refuses with. Exceptions are left for bugs. */
export type Result<T> = Accepted<T> | Refused;

export interface Accepted<T> {
  readonly ok: true;
  readonly value: T;
}

export interface Refused {
  readonly ok: false;
  readonly problem: Problem;
}

export function accept<T>(value: T): Accepted<T> {
  return { ok: true, value };
}

export function refuse(problem: Problem): Refused {
  return { ok: false, problem };
}
