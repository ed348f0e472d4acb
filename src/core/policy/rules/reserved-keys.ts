import type { MetadataValue, UploadMetadata } from "../../uploads/rules/metadata-value.ts";

/** Carries a grant to the creation. Clients send metadata to the gateway only, but headers to the upload host too. */
export const GRANT_KEY = "grant";

/** Carries `<tenant>/<upload id>/<mac>` into the video's `meta`, so that a Stream notification leads to its ledger. */
export const SLUICE_KEY = "sluice";

/** Keys that no policy may name and no client can send to Stream. */
export const RESERVED_KEYS: ReadonlySet<string> = new Set([GRANT_KEY, SLUICE_KEY]);

/** Keys that uploaders add on their own and the policy reads: never refused, and sent to Stream only if allowed by name. */
export const FILE_NAME_KEY = "filename";
export const FILE_TYPE_KEY = "filetype";

/** Names of the file type in other clients: Uppy's field is `type`. They count where their value is a media type, with a slash. */
const OTHER_FILE_TYPE_KEYS: ReadonlySet<string> = new Set(["type", "contenttype", "mimetype"]);

/** What JavaScript clients send for a file without a type: Uppy writes every field as text. */
const NO_FILE_TYPE: ReadonlySet<MetadataValue> = new Set(["", "undefined", "null"]);

/** All file types that a client declares, by key. A custom `type` like "trailer" is none. */
export function declaredFileTypes(metadata: UploadMetadata): [key: string, fileType: MetadataValue][] {
  return [...metadata].filter(([key, value]) => isFileType(key, value) && !isNoFileType(key, value));
}

/** Whether a client means by this pair that its file has no type. */
export function isNoFileType(key: string, value: MetadataValue): boolean {
  return (key === FILE_TYPE_KEY || OTHER_FILE_TYPE_KEYS.has(key)) && NO_FILE_TYPE.has(value);
}

/** Whether uploaders add this pair on their own. */
export function isAddedByUploader(key: string, value: MetadataValue): boolean {
  return key === FILE_NAME_KEY || isFileType(key, value) || isNoFileType(key, value);
}

/** A value that cannot be decoded may be one. */
function isFileType(key: string, value: MetadataValue): boolean {
  const isOneOfOthers = OTHER_FILE_TYPE_KEYS.has(key) && (typeof value === "object" || value.includes("/"));
  return key === FILE_TYPE_KEY || isOneOfOthers;
}
