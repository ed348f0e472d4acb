import { allowedOriginsKey } from "./allowedorigins-key.ts";
import type { MetadataKey } from "./metadata-key.ts";
import { maxDurationSecondsKey, thumbnailTimestampPctKey } from "./number-keys.ts";
import { requireSignedUrlsKey } from "./requiresignedurls-key.ts";
import { expiryKey, scheduledDeletionKey } from "./scheduleddeletion-and-expiry-keys.ts";
import { nameKey, watermarkKey } from "./text-keys.ts";

// Each key has a value type of its own; `decideKey` and `compileRule` are generic, so values of two keys never mix.
// oxlint-disable-next-line typescript/no-explicit-any -- see above
type AnyMetadataKey = MetadataKey<any>;

/**
 * The metadata keys that Stream gives a meaning, in the order in which they are sent.
 *
 * @see https://developers.cloudflare.com/stream/uploading-videos/resumable-uploads/#supported-options-in-upload-metadata
 */
export const METADATA_KEYS: ReadonlyMap<string, AnyMetadataKey> = new Map<string, AnyMetadataKey>([
  ["name", nameKey],
  ["maxdurationseconds", maxDurationSecondsKey],
  ["requiresignedurls", requireSignedUrlsKey],
  ["allowedorigins", allowedOriginsKey],
  ["thumbnailtimestamppct", thumbnailTimestampPctKey],
  ["watermark", watermarkKey],
  ["scheduleddeletion", scheduledDeletionKey],
  ["expiry", expiryKey],
]);
