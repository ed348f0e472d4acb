import { createWriteStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { MAX_UPLOAD_BYTES } from "./values.ts";

/** [U] */
const TIMEOUT_MS = 60_000;

/**
 * Fetches the file of a copy. Its server must answer `HEAD` as well. [C] That a file that is too large is not fetched is [U].
 *
 * @returns its size in bytes; `undefined` if it cannot be fetched, or `signal` aborts: then there is no file
 */
export async function fetchOrigin(url: string, path: string, signal: AbortSignal): Promise<number | undefined> {
  const options = { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) };
  try {
    const head = await fetch(url, { method: "HEAD", ...options });
    if (!head.ok || Number(head.headers.get("content-length") ?? 0) > MAX_UPLOAD_BYTES) return undefined;
    const answer = await fetch(url, options);
    if (!answer.ok || !answer.body) return undefined;
    await pipeline(answer.body, createWriteStream(path), options);
    return (await stat(path)).size;
  } catch {
    await rm(path, { force: true });
    return undefined;
  }
}
