/**
 * `npm run upload -- FILE [--tenant T] [--key K] [--url U] [--meta k=v …]`: uploads a video through the gateway with
 * tus-js-client, waits until Stream has processed it, and prints a link that plays it. Started again after an interruption, it resumes.
 */
import { createReadStream } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import * as tus from "tus-js-client";
import { STATE } from "./paths.ts";
import { playbackLink, waitUntilReady } from "./playback-link.ts";

const USAGE = "Usage: npm run upload -- FILE [--tenant T] [--key K] [--url U] [--meta key=value …]";
/** Stream accepts chunks of 5 to 200 MiB in multiples of 256 KiB; the client keeps one in memory. */
const CHUNK_BYTES = 50 * 1024 * 1024;
const RETRY_DELAYS_MS = [0, 1_000, 3_000, 5_000];
const FILE_TYPES: Record<string, string> = {
  ".mp4": "video/mp4",
  ".m4v": "video/mp4",
  ".mov": "video/quicktime",
  ".webm": "video/webm",
  ".mkv": "video/x-matroska",
};

const options = readArguments();
const file = resolve(options.file);
const stats = await stat(file).catch(() => fail(`Cannot read ${file}.`));
if (!stats.isFile()) fail(`${file} is not a file.`);
await mkdir(STATE, { recursive: true });
const endpoint = `${options.url}/v1/${options.tenant}/uploads`;
/** Id of the last upload, for the start that finishes it: nothing that tus-js-client stores names it. */
const lastUpload = join(STATE, "last-upload.json");
let uploadId: string | undefined;

const fileType = FILE_TYPES[extname(file).toLowerCase()];
const upload = new tus.Upload(createReadStream(file), {
  endpoint,
  chunkSize: CHUNK_BYTES,
  uploadSize: stats.size,
  retryDelays: RETRY_DELAYS_MS,
  metadata: {
    name: basename(file),
    ...(fileType !== undefined && { filetype: fileType }),
    ...options.metadata,
  },
  // Offsets of unfinished uploads, for the next start.
  urlStorage: new tus.FileUrlStorage(join(STATE, "uploads.json")),
  storeFingerprintForResuming: true,
  removeFingerprintOnSuccess: true,
  // Only the gateway gets the key: headers set for the whole upload would go to Stream's host as well.
  onBeforeRequest(request) {
    if (request.getURL() === endpoint) request.setHeader("Authorization", `Bearer ${options.key}`);
  },
  async onAfterResponse(request, response) {
    if (request.getMethod() !== "POST" || response.getStatus() !== 201) return;
    uploadId = response.getHeader("Sluice-Upload-Id");
    console.log(`Video ${response.getHeader("Stream-Media-Id")}, upload ${uploadId}`);
    await writeFile(lastUpload, JSON.stringify({ id: uploadId, url: response.getHeader("Location") }));
  },
  onProgress: showProgress,
  onSuccess() {
    endProgress();
    console.log(`Uploaded ${basename(file)}. Stream is processing it now.`);
    if (uploadId === undefined) return;
    showLink(uploadId).catch((error: unknown) => fail(`The gateway does not answer: ${String(error)}`));
  },
  onError(error) {
    endProgress();
    fail(explain(error));
  },
});

const [previous] = await upload.findPreviousUploads();
if (previous) {
  console.log(`Resuming the upload of ${previous.creationTime}.`);
  upload.resumeFromPreviousUpload(previous);
  uploadId = await readLastUpload(previous.uploadUrl);
}
upload.start();

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        tenant: { type: "string", default: "demo" },
        key: { type: "string", default: process.env["SLUICE_KEY"] ?? "" },
        url: { type: "string", default: "http://127.0.0.1:8787" },
        meta: { type: "string", multiple: true, default: [] },
      },
    });
    const [file, ...rest] = positionals;
    if (!file || rest.length > 0) throw new Error("Give one file.");
    if (!URL.canParse(values.url)) throw new Error("--url must be a URL.");
    if (!values.key) throw new Error("Give a key with --key, or in SLUICE_KEY.");
    const pairs = values.meta.map((pair): [string, string] => {
      const split = pair.indexOf("=");
      return split < 0 ? [pair, ""] : [pair.slice(0, split), pair.slice(split + 1)];
    });
    return { ...values, file, url: values.url.replace(/\/+$/, ""), metadata: Object.fromEntries(pairs) };
  } catch (error) {
    return fail(`${(error as Error).message}\n${USAGE}`);
  }
}

/** @returns the id of the upload with this URL, if it was the last one */
async function readLastUpload(url: string | null): Promise<string | undefined> {
  const text = await readFile(lastUpload, "utf8").catch(() => "{}");
  const last = JSON.parse(text) as { id?: string; url?: string };
  return last.url === url ? last.id : undefined;
}

async function showLink(id: string): Promise<void> {
  const access = { endpoint, key: options.key, id };
  const ready = await waitUntilReady(access, (seconds) => {
    if (process.stdout.isTTY) process.stdout.write(`\rWaiting for Stream … ${seconds} s`);
  });
  endProgress();
  if (ready?.state === "failed") fail(`Stream could not process it: ${ready.failure ?? "unknown reason"}.`);
  if (ready?.state !== "ready") return console.log(`Ask for it later: GET ${endpoint}/${id}`);
  const found = await playbackLink(access, ready);
  console.log("link" in found ? `Watch it: ${found.link}` : `It is ready. ${found.reason}`);
}

const BAR_CHARACTERS = 40;

function showProgress(sent: number, total: number): void {
  if (!process.stdout.isTTY) return;
  const share = total === 0 ? 1 : sent / total;
  const bar = "█".repeat(Math.round(share * BAR_CHARACTERS)).padEnd(BAR_CHARACTERS, "░");
  process.stdout.write(
    `\r${bar} ${(share * 100).toFixed(1).padStart(5)} %  ${mebibytes(sent)} of ${mebibytes(total)} MiB`,
  );
}

function endProgress(): void {
  if (process.stdout.isTTY) process.stdout.write("\n");
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

/** The refusal's own text if there is one, else the client's. */
function explain(error: Error | tus.DetailedError): string {
  const response = "originalResponse" in error ? error.originalResponse : null;
  const refusal = readRefusal(response?.getBody() ?? "");
  if (!refusal) return `The upload failed: ${error.message}`;
  const request = refusal.requestId === undefined ? "" : `\nRequest ${refusal.requestId}`;
  return `Refused (${response?.getStatus()} ${refusal.code}): ${refusal.message}${request}`;
}

interface Refusal {
  readonly code: string | number;
  readonly message: string;
  readonly requestId?: string;
}

/**
 * Reads the gateway's refusal, or one in Cloudflare's envelope, whose messages say more than its errors.
 *
 * @returns `undefined` if the body is neither
 */
function readRefusal(body: string): Refusal | undefined {
  try {
    const { code, detail, requestId, messages, errors } = JSON.parse(body);
    return detail ? { code, message: detail, requestId } : (messages?.[0] ?? errors?.[0]);
  } catch {
    return undefined;
  }
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
