/**
 * Pairs of an `Upload-Metadata` header: lower-case key → value. A Map, not an object, because clients choose the keys and
 * `__proto__` is a valid one.
 */
export type UploadMetadata = ReadonlyMap<string, MetadataValue>;

/** Decoded text, "" for a key without value. */
export type MetadataValue = string | UndecodableValue;

/** What is not UTF-8 text in padded base64, as it was sent. Only where a policy reads the key is it refused. */
export interface UndecodableValue {
  readonly undecodable: string;
}

/** A value for explanations and refusals. */
export function quotable(value: MetadataValue | undefined): string | undefined {
  return typeof value === "object" ? value.undecodable : value;
}

/** What a value that is read must be. */
export const DECODABLE = "UTF-8 text in padded base64";
