import { GRANT_KEY } from "../../policy/rules/reserved-keys.ts";
import { problem } from "../../shared/problem.ts";
import { truncate } from "../../shared/text.ts";
import { type Err, type Result, ok, err } from "../../shared/result.ts";
import { DECODABLE, type MetadataValue, type UploadMetadata } from "./metadata-value.ts";

/** An 8 KiB grant in base64 plus other keys. tus defines no limit; Cloudflare accepts 128 KB of headers in total. */
export const MAX_METADATA_HEADER_CHARACTERS = 16_384;

/** Uppy sends about ten keys. */
export const MAX_METADATA_KEYS = 64;
const MAX_METADATA_KEY_CHARACTERS = 128;

/**
 * Parses an `Upload-Metadata` header by tus 1.0.0, and more strictly where servers disagree: about keys.
 *
 * "The Upload-Metadata request and response header MUST consist of one or more comma-separated key-value pairs. The key
 * and value MUST be separated by a space. The key MUST NOT contain spaces and commas and MUST NOT be empty. The key
 * SHOULD be ASCII encoded and the value MUST be Base64 encoded. All keys MUST be unique. The value MAY be empty. In these
 * cases, the space, which would normally separate the key and the value, MAY be left out."
 *
 * Keys are unique ignoring case, as in Stream. Whitespace around commas is allowed, because the example in Stream's API
 * schema has it. Empty pairs are skipped, because tus-js-client sends an empty header, and others a trailing comma. Uploaders
 * add keys that no policy reads: that their values cannot be decoded is not refused here.
 *
 * @see https://tus.io/protocols/resumable-upload#upload-metadata
 */
export function parseUploadMetadata(header: string): Result<UploadMetadata> {
  if (header.length > MAX_METADATA_HEADER_CHARACTERS)
    return tooLarge(`${MAX_METADATA_HEADER_CHARACTERS} characters (found: ${header.length})`);

  const metadata = new Map<string, MetadataValue>();
  const pairs = header
    .split(",")
    .map((pair) => pair.replace(SURROUNDING_BLANKS, ""))
    .filter((pair) => pair !== "");
  if (pairs.length > MAX_METADATA_KEYS) return tooLarge(`${MAX_METADATA_KEYS} keys (found: ${pairs.length})`);

  for (const pair of pairs) {
    const [key = "", base64 = "", ...rest] = pair.split(" ");
    if (rest.length > 0)
      return invalid(
        `The metadata key "${truncate(key)}" has more than one value: separate pairs by a comma, key and value by a space.`,
      );
    if (!METADATA_KEY.test(key) || key.length > MAX_METADATA_KEY_CHARACTERS)
      return invalid(
        `The metadata key "${truncate(key)}" must be 1 to ${MAX_METADATA_KEY_CHARACTERS} printable ASCII characters without space and comma.`,
      );

    const lowerCaseKey = key.toLowerCase();
    if (metadata.has(lowerCaseKey))
      return invalid(`The metadata key "${truncate(key)}" is given more than once: keys are unique, ignoring case.`, {
        key: lowerCaseKey,
      });

    const value = decodeValue(base64);
    // Read before the caller is known, and a credential: not quoted.
    if (value === undefined && lowerCaseKey === GRANT_KEY)
      return invalid(`${GRANT_KEY} must be ${DECODABLE}.`, { key: GRANT_KEY });
    metadata.set(lowerCaseKey, value ?? { undecodable: base64 });
  }
  return ok(metadata);
}

function tooLarge(limit: string): Err {
  return err(problem("upload_metadata_too_large", `Upload-Metadata must have at most ${limit}.`));
}

function invalid(detail: string, at?: { readonly key: string }): Err {
  return err(problem("upload_metadata_invalid", detail, at));
}

/**
 * Encodes pairs as a header in the format of Stream's documentation: padded standard base64, no space after a comma, a key
 * without value for "". Parsing the header returns the same pairs. Does not validate the keys.
 */
export function encodeUploadMetadata(metadata: Iterable<readonly [key: string, value: string]>): string {
  const pairs: string[] = [];
  for (const [key, value] of metadata) pairs.push(value === "" ? key : `${key} ${encodeValue(value)}`);
  return pairs.join(",");
}

const SURROUNDING_BLANKS = /^[ \t]+|[ \t]+$/g;

/** Printable ASCII without space and comma. */
const METADATA_KEY = /^[\x21-\x2b\x2d-\x7e]+$/;

/** Standard base64, padded (RFC 4648 section 4). */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Fast path: ASCII needs no UTF-8 decoding. */
// oxlint-disable-next-line no-control-regex -- the range is all of ASCII
const ASCII = /^[\x00-\x7f]*$/;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Strict, so that no two servers read a value differently. */
function decodeValue(base64: string): string | undefined {
  if (!BASE64.test(base64)) return undefined;
  const binary = atob(base64);
  if (ASCII.test(binary)) return binary;
  try {
    return utf8.decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
  } catch {
    return undefined;
  }
}

function encodeValue(text: string): string {
  if (ASCII.test(text)) return btoa(text);
  let binary = "";
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
