import type { Problem } from "./problem.ts";

/** Outcome of a step: a value or a problem. Exceptions indicate bugs. */
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
