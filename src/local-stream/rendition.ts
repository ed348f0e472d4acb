import { stat } from "node:fs/promises";
import { ALL_FORMATS, Conversion, FilePathSource, FilePathTarget, Input, Mp4OutputFormat, Output } from "mediabunny";

/** A fragmented MP4, which players of HLS and DASH read: an initialization, then one segment. */
export interface Rendition {
  readonly path: string;
  /** Size of the initialization. */
  readonly initBytes: number;
  /** Size of the file. */
  readonly bytes: number;
  /** RFC 6381. */
  readonly codecs: string;
}

/**
 * Stream encodes a video in several qualities. Here its tracks are repackaged as they are.
 *
 * @param part seconds; default: the whole
 * @returns `undefined` if MP4 cannot hold them, or if only an encoder could cut them there
 */
export async function makeRendition(
  file: string,
  path: string,
  part?: { readonly start: number; readonly end: number },
): Promise<Rendition | undefined> {
  const input = new Input({ source: new FilePathSource(file), formats: ALL_FORMATS });
  try {
    let initBytes = 0;
    const onMoof = (_: Uint8Array, position: number) => (initBytes ||= position);
    const format = new Mp4OutputFormat({ fastStart: "fragmented", onMoof });
    const output = new Output({ format, target: new FilePathTarget(path) });
    const conversion = await Conversion.init({
      input,
      output,
      tracks: "primary",
      showWarnings: false,
      ...(part && { trim: { start: part.start, end: part.end } }),
    });
    if (!conversion.isValid) return undefined;
    await conversion.execute();
    const [, codecs = ""] = /codecs="([^"]*)"/.exec(await output.getMimeType()) ?? [];
    return { path, initBytes, bytes: (await stat(path)).size, codecs };
  } finally {
    input.dispose();
  }
}
