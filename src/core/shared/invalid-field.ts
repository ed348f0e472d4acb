import { problem } from "./problem.ts";
import { type Err, err } from "./result.ts";

/**
 * The refusal of a body for one of its fields.
 *
 * @param key path of the field
 * @param reason completes the sentence that begins with the key, without a full stop
 */
export function invalidField(key: string, reason: string): Err {
  return err(problem("body_invalid", `${key}: ${reason}.`, { key }));
}
