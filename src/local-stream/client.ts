import { readFileSync } from "node:fs";
import * as tus from "tus-js-client";
import type { LocalStream } from "./local-stream.ts";

/** Upload metadata; null is a key without a value. */
export type Metadata = Readonly<Record<string, string | null>>;

export interface ApiAnswer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly result: T;
  readonly errors: readonly { code: number; message: string }[];
  readonly messages: readonly { code: number; message: string }[];
}

/** A client of a local Stream: API calls with the token, uploads without. */
export function createStreamClient(stream: LocalStream, token = stream.token) {
  const authorization = { Authorization: `Bearer ${token}` };
  const base = `${stream.apiBase}/accounts/${stream.accountId}/stream`;

  /** Sends a creation, without the headers that are undefined. */
  function create(headers: Readonly<Record<string, string | undefined>> = {}, query = "?direct_user=true") {
    const all = { ...authorization, "Tus-Resumable": "1.0.0", "Upload-Length": "1000", ...headers };
    const sent = Object.entries(all).filter((header): header is [string, string] => header[1] !== undefined);
    return fetch(base + query, { method: "POST", headers: Object.fromEntries(sent) });
  }

  /** Creates an upload URL. */
  async function createUpload(length: number, metadata: Metadata = {}, creator?: string) {
    const answer = await create({
      "Upload-Length": String(length),
      "Upload-Metadata": encodeMetadata(metadata),
      "Upload-Creator": creator,
    });
    if (answer.status !== 201) throw new Error(`creation: ${answer.status} ${await answer.text()}`);
    return { uid: answer.headers.get("stream-media-id") ?? "", location: answer.headers.get("location") ?? "" };
  }

  /** Calls the API. @param path below `/stream` */
  async function api<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<ApiAnswer<T>> {
    const answer = await fetch(base + path, {
      method,
      headers: { ...authorization, "Content-Type": "application/json" },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const envelope = (text === "" ? {} : JSON.parse(text)) as ApiAnswer<T>;
    return { ...envelope, status: answer.status, headers: answer.headers };
  }

  /** Creates an upload and sends the file with tus-js-client. @returns the uid */
  async function upload(file: Buffer, metadata: Metadata = {}, creator?: string): Promise<string> {
    const { uid, location } = await createUpload(file.byteLength, metadata, creator);
    await sendFile(location, file);
    return uid;
  }

  return { base, authorization, create, createUpload, api, upload };
}

export function encodeMetadata(metadata: Metadata): string | undefined {
  const pairs = Object.entries(metadata).map(([key, value]) =>
    value === null ? key : `${key} ${Buffer.from(value).toString("base64")}`,
  );
  return pairs.length === 0 ? undefined : pairs.join(",");
}

/** Sends a file to an upload URL, or resumes it. */
export function sendFile(location: string, file: Buffer | string, options: Partial<tus.UploadOptions> = {}) {
  const bytes = typeof file === "string" ? readFileSync(file) : file;
  return new Promise<void>((resolve, reject) => {
    const upload = new tus.Upload(bytes, {
      uploadUrl: location,
      retryDelays: [0, 50],
      ...options,
      onSuccess: () => resolve(),
      onError: reject,
    });
    upload.start();
  });
}

/** Sends one unchecked PATCH. A stream is sent in chunked encoding. */
export function patch(
  location: string,
  offset: number,
  body: Uint8Array | ReadableStream,
  headers: Record<string, string> = {},
) {
  return fetch(location, {
    method: "PATCH",
    headers: {
      "Tus-Resumable": "1.0.0",
      "Upload-Offset": String(offset),
      "Content-Type": "application/offset+octet-stream",
      ...headers,
    },
    ...(body instanceof ReadableStream ? { body, duplex: "half" } : { body: Uint8Array.from(body) }),
  });
}

/** Reads an upload's offset. */
export async function head(location: string): Promise<{ status: number; offset: number }> {
  const { status, headers } = await fetch(location, { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" } });
  return { status, offset: Number(headers.get("upload-offset") ?? Number.NaN) };
}
