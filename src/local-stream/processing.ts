import { ALL_FORMATS, FilePathSource, Input } from "mediabunny";

/** The result of inspecting a file. */
export type Media =
  | { readonly kind: "video"; readonly duration: number; readonly width: number; readonly height: number }
  | { readonly kind: "malformed" }
  | { readonly kind: "other" };

/** The result of processing a video. */
export type Outcome =
  | {
      readonly state: "ready";
      readonly duration: number;
      readonly width: number;
      readonly height: number;
    }
  | { readonly state: "error"; readonly errorReasonCode: string; readonly errorReasonText: string };

/** Seconds: the bound is [S], the code [C]. */
const MIN_DURATION_SECONDS = 0.1;

/** Inspects a file. Reads only its indexes, whatever its size. */
export async function inspectFile(path: string): Promise<Media> {
  const input = new Input({ source: new FilePathSource(path), formats: ALL_FORMATS });
  try {
    // `canRead` throws for files of a few bytes.
    if (!(await input.canRead().catch(() => false))) return { kind: "other" };
    if ((await input.getTracks()).length === 0) return { kind: "malformed" };
    const track = await input.getPrimaryVideoTrack();
    if (!track) return { kind: "other" };
    const duration = await input.computeDuration();
    return { kind: "video", duration, width: await track.getDisplayWidth(), height: await track.getDisplayHeight() };
  } catch {
    return { kind: "malformed" };
  } finally {
    input.dispose();
  }
}

/** The codes are [C]; their assignment to files, and the texts, are [U]. An audio-only file is not a video. [U] */
export function decideOutcome(media: Media, maxDurationSeconds: number | null): Outcome {
  switch (media.kind) {
    case "other":
      return failed("ERR_NON_VIDEO", "The file was not recognized as a valid video file.");
    case "malformed":
      return failed("ERR_MALFORMED_VIDEO", "The video was deemed to be corrupted or malformed.");
    case "video": {
      const { duration, width, height } = media;
      if (duration < MIN_DURATION_SECONDS) return failed("ERR_DURATION_TOO_SHORT", "The video is too short.");
      if (maxDurationSeconds !== null && duration > maxDurationSeconds)
        return failed("ERR_DURATION_EXCEED_CONSTRAINT", "The video is longer than maxDurationSeconds.");
      return { state: "ready", duration, width, height };
    }
    default:
      return media satisfies never;
  }
}

function failed(errorReasonCode: string, errorReasonText: string): Outcome {
  return { state: "error", errorReasonCode, errorReasonText };
}

/** Of a copy. */
export const NOT_FETCHED = failed("ERR_FETCH_ORIGIN_ERROR", "The video could not be downloaded.");
