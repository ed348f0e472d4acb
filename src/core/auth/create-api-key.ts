import type { AdminRegistry } from "../ports/admin-registry.ts";
import type { SecretHashes } from "../ports/hashes.ts";
import { invalidField } from "../shared/invalid-field.ts";
import type { ApiKeyDocument, ApiKeySettings } from "../shared/admin-documents.ts";
import { formatTimestamp } from "../shared/time.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { NO_SUCH_TENANT } from "../shared/tenant.ts";
import { API_KEY_ID_CHARACTERS, API_KEY_SECRET_CHARACTERS, BASE62, formatApiKey } from "./rules/api-key.ts";

export interface CreateApiKeyPorts {
  readonly adminRegistry: Pick<AdminRegistry, "apiKeys">;
  readonly hashes: SecretHashes;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  /** Cryptographically random bytes. */
  readonly randomBytes: (count: number) => Uint8Array;
}

export interface CreatedApiKey {
  readonly document: ApiKeyDocument;
  /** The only copy of the key: the registry stores its hash. */
  readonly key: string;
}

/** Creates an API key of a tenant. Fails with `body_invalid` if it would have expired already. */
export async function createApiKey(
  { adminRegistry, hashes, nowMs, randomBytes }: CreateApiKeyPorts,
  tenant: string,
  settings: ApiKeySettings,
): Promise<Result<CreatedApiKey>> {
  const { expiresAt = Infinity } = settings;
  if (expiresAt <= nowMs())
    return invalidField("expiresAt", `must be in the future (found: ${formatTimestamp(expiresAt / 1000)})`);
  const id = randomBase62(randomBytes, API_KEY_ID_CHARACTERS);
  const key = formatApiKey(id, randomBase62(randomBytes, API_KEY_SECRET_CHARACTERS));
  const document = await adminRegistry.apiKeys.create(tenant, id, await hashes.digest(key.text), settings);
  return document ? ok({ document, key: key.text }) : err(NO_SUCH_TENANT);
}

/** Uniform: bytes at the end of the range, which would favour some characters, are drawn again. */
function randomBase62(randomBytes: CreateApiKeyPorts["randomBytes"], characters: number): string {
  let text = "";
  const fair = 256 - (256 % BASE62.length);
  while (text.length < characters) {
    for (const byte of randomBytes(characters)) {
      if (byte < fair && text.length < characters) text += BASE62.charAt(byte % BASE62.length);
    }
  }
  return text;
}
