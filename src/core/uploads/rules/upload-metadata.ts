import { problem } from "../../shared/problem.ts";
import { truncate } from "../../shared/text.ts";
import { type Result, ok, err } from "../../shared/result.ts";

/**
 * The pairs of an `Upload-Metadata` header: lower-case key → decoded value, "" where the key stands bare.
 * A Map, never an object: keys are a client's, and `__proto__` is a key like any other.
 */
export type UploadMetadata = ReadonlyMap<string, string>;

/** A grant of 8 KiB, its base64, and room for the rest. tus sets no bound; Cloudflare takes 128 KB of headers in all. */
export const MAX_METADATA_HEADER_CHARACTERS = 16_384;

/** Uppy sends about ten. */
export const MAX_METADATA_KEYS = 64;
const MAX_METADATA_KEY_CHARACTERS = 128;

/**
 * Parses an `Upload-Metadata` header to the letter of tus 1.0.0, and stricter where servers disagree.
 *
 * "The Upload-Metadata request and response header MUST consist of one or more comma-separated key-value pairs. The key
 * and value MUST be separated by a space. The key MUST NOT contain spaces and commas and MUST NOT be empty. The key
 * SHOULD be ASCII encoded and the value MUST be Base64 encoded. All keys MUST be unique. The value MAY be empty. In these
 * cases, the space, which would normally separate the key and the value, MAY be left out."
 *
 * Keys are unique without regard to case, because Stream reads them so. Whitespace around commas is allowed, because the
 * example in Stream's own API schema has it. An empty header counts as an absent one: tus-js-client sends it.
 *
 * @see https://tus.io/protocols/resumable-upload#upload-metadata
 */
export function parseUploadMetadata(header: string): Result<UploadMetadata> {
  if (header.length > MAX_METADATA_HEADER_CHARACTERS)
    return err(
      problem("upload_metadata_too_large", `Upload-Metadata may have ${MAX_METADATA_HEADER_CHARACTERS} characters.`),
    );

  const metadata = new Map<string, string>();
  if (header.trim() === "") return ok(metadata);

  const pairs = header.split(",");
  if (pairs.length > MAX_METADATA_KEYS)
    return err(problem("upload_metadata_too_large", `Upload-Metadata may have ${MAX_METADATA_KEYS} keys.`));

  for (const pair of pairs) {
    const [key, base64 = "", ...rest] = pair.replace(SURROUNDING_BLANKS, "").split(" ");
    if (!key) return err(problem("upload_metadata_invalid", "Upload-Metadata has an empty pair."));
    if (rest.length > 0)
      return err(problem("upload_metadata_invalid", `"${truncate(key)}" is followed by more than one value.`));
    if (!METADATA_KEY.test(key) || key.length > MAX_METADATA_KEY_CHARACTERS)
      return err(
        problem(
          "upload_metadata_invalid",
          `"${truncate(key)}" is not a key: printable ASCII, at most ${MAX_METADATA_KEY_CHARACTERS}.`,
        ),
      );

    const lowerCaseKey = key.toLowerCase();
    if (metadata.has(lowerCaseKey))
      return err(problem("upload_metadata_invalid", `"${truncate(key)}" stands twice.`, { key: lowerCaseKey }));

    const value = decodeValue(base64);
    if (value === undefined)
      return err(
        problem("upload_metadata_invalid", `The value of "${truncate(key)}" is not the base64 of UTF-8 text.`, {
          key: lowerCaseKey,
        }),
      );
    metadata.set(lowerCaseKey, value);
  }
  return ok(metadata);
}

/**
 * The header for these pairs, as Stream's documentation writes it: padded standard base64, no space after a comma, a bare
 * key for an empty value. Parsing it gives the same pairs again. The caller answers for the keys.
 */
export function encodeUploadMetadata(metadata: Iterable<readonly [key: string, value: string]>): string {
  const pairs: string[] = [];
  for (const [key, value] of metadata) pairs.push(value === "" ? key : `${key} ${encodeValue(value)}`);
  return pairs.join(",");
}

const SURROUNDING_BLANKS = /^[ \t]+|[ \t]+$/g;

/** Visible ASCII without the comma. */
const METADATA_KEY = /^[\x21-\x2b\x2d-\x7e]+$/;

/** Standard base64, padded (RFC 4648 section 4). */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Beyond ASCII the text has to pass through UTF-8. */
// oxlint-disable-next-line no-control-regex -- the range is ASCII itself
const ASCII = /^[\x00-\x7f]*$/;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

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
