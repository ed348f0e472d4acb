import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type VideoOptions, makeVideo } from "../../src/local-stream/make-video.ts";

/** Creates a folder that is deleted after the tests of the file or `describe` that calls this. */
export function tmpFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-"));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Path of a video that exists during the tests of the file or `describe` that calls this. */
export function videoFile({ name = "video.mp4", ...options }: Omit<VideoOptions, "path"> & { name?: string }): string {
  const path = join(tmpFolder(), name);
  beforeAll(() => makeVideo({ path, ...options }));
  return path;
}

/** Path of a file without bytes, that exists during the tests of the file or `describe` that calls this. */
export function emptyFile(name: string): string {
  const path = join(tmpFolder(), name);
  writeFileSync(path, "");
  return path;
}
