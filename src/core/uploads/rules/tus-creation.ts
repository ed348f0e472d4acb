import { type Problem, problem } from "../../shared/problem.ts";
import { truncate } from "../../shared/text.ts";
import { type Result, ok, err } from "../../shared/result.ts";
import { type UploadMetadata, parseUploadMetadata } from "./upload-metadata.ts";

/** The protocol version spoken here; tus has no other. https://tus.io/protocols/resumable-upload */
export const TUS_VERSION = "1.0.0";

/** What OPTIONS announces: the part of tus that happens here. Bytes go to Stream's host, which speaks the rest. */
export const TUS_EXTENSIONS = "creation,expiration";

/** Files of Stream are at most 30 GB. https://developers.cloudflare.com/stream/faq/ (Assumed: decimal gigabytes.) */
export const STREAM_MAX_UPLOAD_BYTES = 30_000_000_000;

/** A creation as the client asks for it, read but not yet judged. */
export interface CreationRequest {
  /** What the upload URL takes: tus, or one form with the whole file (`direct-upload.ts`). */
  readonly kind: "tus" | "direct";
  /** Bytes; 0 is legal. */
  readonly length: number;
  readonly metadata: UploadMetadata;
  /** The client's `Upload-Creator`, Stream's own header. */
  readonly creator?: string;
}

/** Reads one header by its name; several of the same name arrive joined by ", ". */
export type HeaderReader = (name: string) => string | undefined;

/**
 * Reads a tus creation. Refuses with 412 before anything else where the protocol differs, since the other headers then
 * may mean something else.
 */
export function parseCreation(header: HeaderReader): Result<CreationRequest> {
  const unsupported = checkProtocol(header);
  if (unsupported) return err(unsupported);

  const length = parseUploadLength(header);
  if (!length.ok) return length;
  const metadata = parseUploadMetadata(header("upload-metadata") ?? "");
  if (!metadata.ok) return metadata;

  const creator = header("upload-creator");
  return ok({ kind: "tus", length: length.value, metadata: metadata.value, ...(creator ? { creator } : {}) });
}

function checkProtocol(header: HeaderReader): Problem | undefined {
  // Clients of the IETF draft send `Upload-Length` too and would read a 201 of tus 1.0 as theirs.
  if (header("upload-draft-interop-version") !== undefined)
    return problem("tus_version_unsupported", "This endpoint speaks tus 1.0.0, not the IETF draft.");

  // "If the version specified by the Client is not supported by the Server, it MUST respond with the 412 Precondition
  // Failed status and MUST include the Tus-Version header into the response. In addition, the Server MUST NOT process
  // the request."
  const version = header("tus-resumable");
  if (version !== TUS_VERSION)
    return problem("tus_version_unsupported", "Tus-Resumable must be 1.0.0.", {
      facts: { version: truncate(version ?? "") },
    });

  // Partial uploads carry no metadata, so a policy could not be applied to what they are joined to.
  if (header("upload-concat") !== undefined)
    return problem("tus_extension_unsupported", "Upload-Concat (parallelUploads) is not supported.");
  if (header("upload-defer-length") !== undefined)
    return problem("tus_extension_unsupported", "Upload-Defer-Length is not supported: send Upload-Length.");
  return undefined;
}

/** "The value MUST be a non-negative integer." No sign, no leading zero, no fraction, no list. */
const UPLOAD_LENGTH = /^(?:0|[1-9]\d*)$/;

function parseUploadLength(header: HeaderReader): Result<number> {
  const text = header("upload-length");
  if (text === undefined)
    return err(problem("upload_length_required", "Upload-Length must say how many bytes will be uploaded."));
  if (!UPLOAD_LENGTH.test(text))
    return err(
      problem("upload_length_invalid", `Upload-Length must be a non-negative integer, not "${truncate(text)}".`),
    );
  const length = Number(text);
  if (length > STREAM_MAX_UPLOAD_BYTES)
    return err(
      problem("upload_too_large", `Stream takes at most ${STREAM_MAX_UPLOAD_BYTES} bytes.`, {
        facts: { length: truncate(text) },
      }),
    );
  return ok(length);
}
