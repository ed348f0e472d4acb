import type { RateStatus } from "../../core/quota/rules/limits.ts";
import type { CreatedUpload } from "../../core/uploads/create-upload.ts";

/** What the answer to every creation says in its headers, whatever its body. */
export function createdHeaders({ id, uid, expiresAt, replayed, rate }: CreatedUpload): Record<string, string> {
  return {
    "Stream-Media-Id": uid,
    "Sluice-Upload-Id": id,
    "Upload-Expires": new Date(expiresAt * 1000).toUTCString(),
    "Cache-Control": "no-store",
    ...(replayed && { "Idempotency-Replayed": "true" }),
    ...(rate && rateHeaders(rate)),
  };
}

export function rateHeaders({ allowed, remaining, resetSeconds }: RateStatus): Record<string, string> {
  return {
    "RateLimit-Policy": `"creations";q=${allowed};w=60`,
    RateLimit: `"creations";r=${remaining};t=${resetSeconds}`,
  };
}
