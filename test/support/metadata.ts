/** An `Upload-Metadata` header; null stands for a key without a value. */
export function metadataHeader(metadata: Readonly<Record<string, string | null>>): string {
  return Object.entries(metadata)
    .map(([key, value]) => (value === null ? key : `${key} ${Buffer.from(value).toString("base64")}`))
    .join(",");
}
