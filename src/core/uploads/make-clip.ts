import type { Budget } from "../ports/budget.ts";
import type { StreamApi } from "../ports/stream.ts";
import { problem } from "../shared/problem.ts";
import type { StreamOutcome } from "../stream/rules/creation.ts";
import { parseVideo } from "../stream/rules/parse-video.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import { type StreamClip, correctClip } from "./rules/clip.ts";

export interface MakeClipPorts {
  readonly stream: Pick<StreamApi, "make" | "call">;
  readonly budget: Pick<Budget, "refund">;
}

/**
 * Makes a clip that is as it was decided: a clip may take after its parent (assumed), so what Stream shows of it is compared, and set by
 * one edit where it differs. A clip that cannot be set is deleted: it may be public, or have no end.
 *
 * Both calls are taken from the budget before, so that a clip never stays as it is for lack of one.
 */
export async function makeClip(
  { stream, budget }: MakeClipPorts,
  upstream: Upstream,
  tenant: string,
  clip: StreamClip,
): Promise<StreamOutcome> {
  const made = notParent(clip, await stream.make(upstream, { kind: "clip", body: clip }));
  const correction = made.kind === "made" ? correctClip(clip, made.video.json) : undefined;
  if (made.kind !== "made" || !correction) {
    await budget.refund(upstream, tenant);
    return made;
  }
  const { status, uid } = made;
  const edited = await stream.call(upstream, { method: "POST", path: `/${uid}`, json: correction });
  const video = edited.ok ? parseVideo(edited.value, upstream) : undefined;
  if (video && !correctClip(clip, video.json)) return { ...made, video };
  const failure = edited.ok
    ? problem("stream_bad_answer", "Stream did not set the clip as it was decided.")
    : edited.problem;
  return { kind: "unknown", status, uid, problem: failure };
}

/** An answer that describes the parent is none: the edit would overwrite the parent, and to delete the clip would delete it. */
function notParent({ clippedFromVideoUID }: StreamClip, made: StreamOutcome): StreamOutcome {
  if (made.kind !== "made" || made.uid !== clippedFromVideoUID) return made;
  return {
    kind: "unknown",
    status: made.status,
    problem: problem("stream_bad_answer", "Stream described the parent and not the clip."),
  };
}
