import type { Access } from "../auth/authenticate.ts";
import type { Ledgers } from "../ports/ledger.ts";
import { problem } from "../shared/problem.ts";
import { type Result, err, ok } from "../shared/result.ts";
import { findUpload } from "./find-upload.ts";
import { secondsOf } from "./rules/clip.ts";
import type { Clip } from "./rules/creation-request.ts";

/** The video that a clip is made of, as far as the clip depends on it. */
export interface Parent {
  readonly uid: string;
  readonly upstream: string;
  /** What the clip has of the parent's bytes, by their durations. */
  readonly bytes: number;
}

/** Finds the parent of a clip: a ready video that the caller may see, and that is long enough. */
export async function findParent(ledgers: Ledgers, access: Access, clip: Clip): Promise<Result<Parent>> {
  const found = await findUpload({ ledgers }, access, clip.of);
  if (!found.ok) return found;
  const { state, uid, upstream, seconds, bytes } = found.value;
  if (state !== "ready" || uid === undefined)
    return err(problem("upload_not_ready", `A clip is made of a video that is ready (found: ${state}).`));
  const { endSeconds } = clip;
  if (endSeconds > seconds)
    return err(
      problem(
        "body_invalid",
        `endTimeSeconds must be at most ${seconds}, the end of the video (found: ${endSeconds}).`,
        {
          key: "endTimeSeconds",
        },
      ),
    );
  return ok({ uid, upstream, bytes: Math.ceil((bytes * secondsOf(clip)) / seconds) });
}
