import * as v from "valibot";
import { type Err, err } from "../../shared/result.ts";
import { problem } from "../../shared/problem.ts";
import { truncate } from "../../shared/text.ts";
import type { Warning } from "../../shared/warning.ts";

/**
 * Takes what makes a document unfit to be written, though an earlier version accepted it. Documents that are stored, or carried by
 * a grant, are read in spite of their faults.
 */
export type Faults = Warning[];

/** A setting that never has an effect. @param pointer of the setting, such as `/policy/metadata/expiry/max` */
export function withoutEffect(pointer: string, message: string, found: number | string): Warning {
  return { ...faultAt(pointer, message), code: "setting_without_effect", found };
}

/** A sentence about a place in a document. */
type Fault = Pick<Warning, "pointer" | "detail">;

/** @param pointer such as `/policy/metadata/name`: policy keys contain no slash */
export function faultAt(pointer: string, message: string): Fault {
  return { pointer, detail: `${dotPath(pointer)}: ${message}` };
}

/** A text that nothing ever equals. */
export function unmatched(pointer: string, expected: string, found: string): Warning {
  return withoutEffect(pointer, `${expected} (found: "${truncate(found)}")`, found);
}

/** Refuses a document for a fault at `pointer`. */
export function refuse(pointer: string, message: string): Err {
  return refuseAll([faultAt(pointer, message)]);
}

/** Refuses a document for what a schema found in the part at `pointer`. */
export function refuseIssues(pointer: string, issues: readonly v.BaseIssue<unknown>[]): Err {
  return refuseAll(
    issues.map((issue) => {
      const path = v.getDotPath(issue);
      return faultAt(path ? `${pointer}/${path}` : pointer, issue.message);
    }),
  );
}

/** Refuses a document, with the first fault as the key and all of them in the text. */
export function refuseAll(faults: readonly Fault[]): Err {
  const key = dotPath(faults[0]?.pointer ?? "");
  return err(problem("body_invalid", faults.map(({ detail }) => detail).join("; "), { key }));
}

/** `policy.metadata.name`, as problems and explanations name it. */
export function dotPath(pointer: string): string {
  return pointer.slice(1).replaceAll("/", ".");
}
