import type { RateStatus } from "../../core/quota/rules/limits.ts";
import type { CreatedUpload, CreatedVideo } from "../../core/uploads/create-upload.ts";

/** Response headers of every creation, with or without a body. A copy or a clip has no URL that expires. */
export function createdHeaders(created: CreatedVideo & Partial<CreatedUpload>): Record<string, string> {
  const { id, uid, expiresAt, replayed, rate } = created;
  return {
    "Stream-Media-Id": uid,
    "Sluice-Upload-Id": id,
    ...(expiresAt !== undefined && { "Upload-Expires": new Date(expiresAt * 1000).toUTCString() }),
    "Cache-Control": "no-store",
    ...(replayed && { "Idempotency-Replayed": "true" }),
    ...(rate && rateHeaders(rate)),
  };
}

/** State of the limit of creations per minute. https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ */
export function rateHeaders({ allowed, remaining, resetSeconds }: RateStatus): Record<string, string> {
  return {
    "RateLimit-Policy": `"creations";q=${allowed};w=60`,
    RateLimit: `"creations";r=${remaining};t=${resetSeconds}`,
  };
}
