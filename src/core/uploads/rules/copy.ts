import * as v from "valibot";
import { fetchableUrl, integer } from "../../shared/fields.ts";
import { type Result, ok } from "../../shared/result.ts";
import { jsonObject } from "../../shared/strict-object.ts";
import { VIDEO_FIELDS, type VideoOptions, WATERMARK, readOptions, writeOptions } from "./direct-upload.ts";
import type { CreationRequest } from "./creation-request.ts";

/**
 * Copies: Stream fetches the file from a URL. Policy, limits, idempotency and ledger are those of an upload. Stream cannot be told
 * how large or long the file may be, so the ledger compares what Stream reports with what was decided: see `applyTransition`.
 *
 * @see https://developers.cloudflare.com/stream/uploading-videos/upload-via-link/
 */

/** Links that are signed with a session's credentials carry a token of up to 2 KB. */
const MAX_URL_CHARACTERS = 4_096;

/** The client's body. `input` is Stream's name of the field, `url` its older one. */
export const copySchema = (allowLoopback: boolean) =>
  v.pipe(
    jsonObject({
      ...VIDEO_FIELDS,
      watermark: WATERMARK,
      name: v.nullish(v.string()),
      /** The most that the file may have. Absent: what the policy allows. */
      bytes: v.nullish(integer(1, Number.MAX_SAFE_INTEGER)),
      input: v.nullish(fetchableUrl(allowLoopback, MAX_URL_CHARACTERS)),
      url: v.nullish(fetchableUrl(allowLoopback, MAX_URL_CHARACTERS)),
    }),
    v.check(
      ({ input, url }) => Boolean(input) !== Boolean(url),
      "must have the link of the file as input, or as url, and not as both",
    ),
  );

export type CopyBody = v.InferOutput<ReturnType<typeof copySchema>>;

/** @param creator the client's `Upload-Creator`; the body takes precedence (assumed) */
export function readCopy(body: CopyBody, creator: string | undefined): Result<CreationRequest> {
  const options = readOptions(body, creator);
  if (!options.ok) return options;
  const url = body.input ?? body.url ?? "";
  return ok({
    kind: "copy",
    ...options.value,
    url,
    fileName: fileNameIn(url),
    ...(body.bytes != null && { length: body.bytes }),
  });
}

/** The last part of the path. */
function fileNameIn(url: string): string {
  return URL.parse(url)?.pathname.split("/").at(-1) ?? "";
}

/** The body that is sent to Stream. */
export interface StreamCopy extends VideoOptions {
  readonly input: string;
}

/** Builds the body for Stream from decided metadata. */
export function writeCopy(url: string, metadata: ReadonlyMap<string, string>, creator: string | undefined): StreamCopy {
  return { input: url, ...writeOptions(metadata, creator) };
}
