import * as v from "valibot";
import { type Err, err } from "../../shared/result.ts";
import { problem } from "../../shared/problem.ts";
import type { Warning } from "../../shared/warning.ts";

/**
 * Takes what makes a document unfit to be written, though an earlier version accepted it. Documents that are stored, or carried by
 * a grant, are read in spite of their faults.
 */
export type Faults = Warning[];

/** @param pointer into the document, such as `/policy/metadata/name`: policy keys contain no slash */
export function fault(
  pointer: string,
  code: Warning["code"],
  message: string,
  more: Pick<Warning, "found" | "nearest"> = {},
): Warning {
  return { pointer, code, detail: `${dotPath(pointer)}: ${message}`, ...more };
}

/** Refuses a document for a fault at `pointer`. */
export function refuse(pointer: string, message: string): Err {
  const key = dotPath(pointer);
  return err(problem("body_invalid", `${key}: ${message}`, { key }));
}

/** Refuses a document for an issue that a schema found in what is at `pointer`. */
export function refuseIssue(pointer: string, issue: v.BaseIssue<unknown>): Err {
  const within = v.getDotPath(issue);
  return refuse(within ? `${pointer}/${within}` : pointer, issue.message);
}

/** Refuses a document for all its faults. */
export function refuseFaults(faults: Faults): Err | undefined {
  const [first] = faults;
  return (
    first &&
    err(problem("body_invalid", faults.map(({ detail }) => detail).join("; "), { key: dotPath(first.pointer) }))
  );
}

/** `policy.metadata.name`, as problems and explanations name it. */
export function dotPath(pointer: string): string {
  return pointer.slice(1).replaceAll("/", ".");
}
