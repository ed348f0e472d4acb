import type { VideoJson } from "./video-document.ts";

/** How to show a ready video. */
export interface Playback {
  /** URLs of its manifests. */
  readonly playback?: { readonly hls?: string; readonly dash?: string };
  /** URL of an image. */
  readonly thumbnail?: string;
  /** Pixels of the file that was uploaded. */
  readonly input?: { readonly width: number; readonly height: number };
  /** The URLs need a token in the place of the uid. Absent: they need none. */
  readonly signed?: true;
}

/** Reads from Stream's description of a video how to show it. What it does not say is left out. */
export function playbackOf(video: VideoJson): Playback {
  const { thumbnail, requireSignedURLs } = video;
  const { hls, dash } = membersOf(video["playback"]);
  const { width, height } = membersOf(video["input"]);
  return {
    ...((isUrl(hls) || isUrl(dash)) && { playback: { ...(isUrl(hls) && { hls }), ...(isUrl(dash) && { dash }) } }),
    ...(isUrl(thumbnail) && { thumbnail }),
    ...(isKnown(width) && isKnown(height) && { input: { width, height } }),
    ...(requireSignedURLs === true && { signed: true }),
  };
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** Pages put it into an element's `src`. */
export function isUrl(value: unknown): value is string {
  return typeof value === "string" && /^https?:\/\/[\x21-\x7e]{1,2000}$/.test(value);
}

/** No video has more. */
const MAX_PIXELS = 100_000;

/** Stream says -1 for a size that it does not know. */
function isKnown(pixels: unknown): pixels is number {
  return typeof pixels === "number" && pixels > 0 && pixels <= MAX_PIXELS;
}
