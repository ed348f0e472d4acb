import { type Problem, problem } from "../../shared/problem.ts";
import { truncate } from "../../shared/text.ts";
import { type Result, ok, err } from "../../shared/result.ts";
import type { CreationRequest } from "./creation-request.ts";
import { parseUploadMetadata } from "./upload-metadata.ts";

/** The only supported protocol version, and tus has no other. https://tus.io/protocols/resumable-upload */
export const TUS_VERSION = "1.0.0";

/** Announced by OPTIONS: the part of tus that the gateway implements. Bytes go to Stream's host, which does the rest. */
export const TUS_EXTENSIONS = "creation,expiration";

/**
 * Bytes of a body that a creation may carry. They are read and dropped, since bytes go to Stream only: with more of them, the
 * client would send the first chunk of a large file twice. A file below 8 MiB costs little to send again.
 */
const MAX_CREATION_BODY_BYTES = 8 * 1024 * 1024;

/** Returns a header by its name. Repeated headers are joined by ", ". */
export type HeaderReader = (name: string) => string | undefined;

/**
 * Parses a tus creation. Checks the protocol version first (412), since other headers may mean something else in another
 * version.
 */
export function parseCreation(header: HeaderReader): Result<CreationRequest> {
  const unsupported = checkProtocol(header);
  if (unsupported) return err(unsupported);

  const bodyBytes = header("content-length") ?? "0";
  if (Number(bodyBytes) > MAX_CREATION_BODY_BYTES)
    return err(
      problem(
        "body_too_large",
        `A creation must carry at most ${MAX_CREATION_BODY_BYTES} bytes of the file (found: ${quote(bodyBytes)}). Set uploadDataDuringCreation: false, so that the client sends them to the Location.`,
      ),
    );

  const length = parseUploadLength(header);
  if (!length.ok) return length;
  const metadata = parseUploadMetadata(header("upload-metadata") ?? "");
  if (!metadata.ok) return metadata;

  const creator = header("upload-creator");
  return ok({ kind: "tus", length: length.value, metadata: metadata.value, ...(creator ? { creator } : {}) });
}

/** For forms and JSON that are sent to the tus endpoint. */
const WITHOUT_TUS =
  "To upload a file as a form, without a tus client, first create a link for it at direct-uploads (on Cloudflare's path: direct_upload).";

function checkProtocol(header: HeaderReader): Problem | undefined {
  // Clients of the IETF draft also send `Upload-Length` and would take a tus 1.0 response for one of the draft.
  if (header("upload-draft-interop-version") !== undefined)
    return problem(
      "tus_version_unsupported",
      "Upload-Draft-Interop-Version is not supported: use tus 1.0.0, not the IETF draft.",
    );

  // "If the version specified by the Client is not supported by the Server, it MUST respond with the 412 Precondition
  // Failed status and MUST include the Tus-Version header into the response. In addition, the Server MUST NOT process
  // the request."
  const version = header("tus-resumable");
  if (version !== TUS_VERSION) {
    const otherDoor = version === undefined ? ` ${WITHOUT_TUS}` : "";
    return problem("tus_version_unsupported", `Tus-Resumable must be 1.0.0 (found: ${quote(version)}).${otherDoor}`, {
      facts: { version: truncate(version ?? "") },
    });
  }

  // Partial uploads have no metadata, so no policy could be applied to the final upload.
  if (header("upload-concat") !== undefined)
    return problem(
      "tus_extension_unsupported",
      "Upload-Concat is not supported: send each file as one upload (parallelUploads: 1).",
    );
  if (header("upload-defer-length") !== undefined)
    return problem("tus_extension_unsupported", "Upload-Defer-Length is not supported: send Upload-Length.");
  return undefined;
}

/** "The value MUST be a non-negative integer." No sign, no leading zero, no fraction, no list. */
const UPLOAD_LENGTH = /^(?:0|[1-9]\d*)$/;

function parseUploadLength(header: HeaderReader): Result<number> {
  const text = header("upload-length");
  if (text === undefined)
    return err(problem("upload_length_required", "Upload-Length is missing: send the size of the file in bytes."));
  if (!UPLOAD_LENGTH.test(text))
    return err(
      problem("upload_length_invalid", `Upload-Length must be a non-negative integer (found: ${quote(text)}).`),
    );
  const length = Number(text);
  // A larger number is not exact. What Stream takes depends on the tenant's account, which is known after authentication.
  if (length > Number.MAX_SAFE_INTEGER)
    return err(
      problem("upload_too_large", `Upload-Length must be at most ${Number.MAX_SAFE_INTEGER} (found: ${quote(text)}).`, {
        facts: { length: truncate(text) },
      }),
    );
  return ok(length);
}

function quote(text: string | undefined): string {
  return text === undefined ? "none" : `"${truncate(text)}"`;
}
