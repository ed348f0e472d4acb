import type { Problem } from "./problem.ts";

/** What a step gives: its value, or the problem it refuses with. Exceptions are left for bugs. */
export type Result<T> = Ok<T> | Err;

export interface Ok<T> {
  readonly ok: true;
  readonly value: T;
}

export interface Err {
  readonly ok: false;
  readonly problem: Problem;
}

export function ok<T>(value: T): Ok<T> {
  return { ok: true, value };
}

export function err(problem: Problem): Err {
  return { ok: false, problem };
}
