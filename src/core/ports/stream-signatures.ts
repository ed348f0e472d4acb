import type { StreamSignature } from "../stream/rules/webhook-signature.ts";

/** Verifies the HMAC of Stream webhooks. */
export interface StreamSignatures {
  /** Whether one of the secrets has signed this body at the time of the signature. */
  isSigned(secrets: readonly string[], signature: StreamSignature, body: Uint8Array): Promise<boolean>;
}
