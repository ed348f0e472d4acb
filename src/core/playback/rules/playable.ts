import { type Problem, problem } from "../../shared/problem.ts";
import type { Upload } from "../../uploads/rules/upload-state.ts";

/** A creation takes seconds, the check of a copy as long as Stream loads the file. */
const RETRY_SECONDS = 5;

/** Whether playback tokens are given for an upload's video: also before it is processed, so that a page can have one by then. */
export function refuseUnplayable({
  state,
  uid,
  source,
}: Pick<Upload, "state" | "uid" | "source">): Problem | undefined {
  switch (state) {
    case "ready":
      return undefined;
    case "issued":
      // What a copy is, only Stream's report says.
      return uid === undefined || source === "copy" ? notReady(state) : undefined;
    case "reserved":
    case "unknown":
      return notReady(state);
    case "expired":
    case "failed":
    case "cancelled":
    case "deleted":
      return problem("upload_not_playable", `The upload must not be over (found: ${state}).`);
    default:
      return state satisfies never;
  }
}

function notReady(state: Upload["state"]): Problem {
  return problem("upload_not_ready", `The upload has no video to play yet (found: ${state}). Try again later.`, {
    retryAfterSeconds: RETRY_SECONDS,
  });
}
