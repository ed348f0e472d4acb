import { isUtf8 } from "node:buffer";
import { demand } from "./values.ts";

/** A value of `Upload-Metadata`. */
export interface MetadataValue {
  /** In the case in which it was sent. */
  readonly key: string;
  readonly text: string;
}

/**
 * tus 1.0.0, `Upload-Metadata`: "one or more comma-separated key-value pairs. The key and value MUST be separated by a
 * space. The key MUST NOT contain spaces and commas and MUST NOT be empty. … All keys MUST be unique." A value may be
 * left out. Spaces around the comma are accepted, as in the API schema's example. [C]
 *
 * Keys are compared without case [C]. How Stream treats duplicates and non-canonical base64 is unknown: both are refused, so
 * that a client that is accepted here is safe with any parser. [U]
 */
export function parseMetadata(header: string | undefined): Map<string, MetadataValue> {
  const metadata = new Map<string, MetadataValue>();
  if (header === undefined) return metadata;
  for (const pair of header.split(",")) {
    const [key = "", value = "", ...rest] = pair.replaceAll(/^ +| +$/g, "").split(" ");
    demand(/^[\x21-\x2b\x2d-\x7e]+$/.test(key), "Upload-Metadata: a key is empty or not ASCII");
    demand(rest.length === 0, `Upload-Metadata: ${key} has more than one value`);
    demand(!metadata.has(key.toLowerCase()), `Upload-Metadata: ${key} is sent more than once`);
    metadata.set(key.toLowerCase(), { key, text: decode(key, value) });
  }
  return metadata;
}

/** RFC 4648 section 4: the standard alphabet, padded, and nothing in the bits that padding leaves over. */
function decode(key: string, base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  demand(bytes.toString("base64") === base64, `Upload-Metadata: the value of ${key} is not base64`);
  demand(isUtf8(bytes), `Upload-Metadata: the value of ${key} is not UTF-8`);
  return bytes.toString("utf8");
}
