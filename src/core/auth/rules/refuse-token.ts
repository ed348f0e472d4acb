import { isDeeperThan } from "../../shared/json.ts";
import { type ProblemCode, problem } from "../../shared/problem.ts";
import { type Err, err } from "../../shared/result.ts";
import { truncate } from "../../shared/text.ts";
import type { TokenStep } from "./token-step.ts";

/** The outcome of a step. What was expected and found is for the operator alone: see `show`. */
export interface CheckedStep {
  readonly step: TokenStep;
  readonly expected?: unknown;
  readonly found?: unknown;
}

/** Enough for a list of audiences; a token has up to 8 KiB. */
const MAX_SHOWN_CHARACTERS = 200;
const MAX_SHOWN_LEVELS = 4;

/** A value of a token or of an issuer's document, for the log. @returns `undefined` if there is none */
export function show(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string") return truncate(value, MAX_SHOWN_CHARACTERS);
  const text = isDeeperThan(MAX_SHOWN_LEVELS, value) ? "nested too deep" : JSON.stringify(value);
  return truncate(text, MAX_SHOWN_CHARACTERS);
}

/** The public answer names the step; what was expected and found is for the log. */
export function refuseToken(code: ProblemCode, detail: string, { step, expected, found }: CheckedStep): Err {
  return err(problem(code, detail, { step, facts: { expected: show(expected), found: show(found) } }));
}
