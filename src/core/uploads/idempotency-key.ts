import type { Caller } from "../auth/rules/caller.ts";
import { GRANT_KEY } from "../policy/rules/reserved-keys.ts";
import { problem } from "../shared/problem.ts";
import type { IdempotencyRequest } from "../quota/rules/reservation.ts";
import { type Result, ok, err } from "../shared/result.ts";
import type { CreationRequest } from "./rules/tus-creation.ts";
import type { SecretHashes } from "../ports/hashes.ts";

/** What a client may send as `Idempotency-Key`. https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ */
const IDEMPOTENCY_KEY = /^[\x20-\x7e]{1,255}$/;

/**
 * How a creation is known again when it is sent anew: by its grant, which is for one upload whatever key comes with it; or
 * by the client's `Idempotency-Key`, together with whose it is. Undefined: by nothing.
 */
export async function resolveIdempotencyKey(
  hashes: SecretHashes,
  caller: Caller,
  creation: CreationRequest,
  header: string | undefined,
): Promise<Result<IdempotencyRequest | undefined>> {
  if (header !== undefined && !IDEMPOTENCY_KEY.test(header))
    return err(problem("idempotency_key_invalid", "Idempotency-Key is 1 to 255 printable ASCII characters."));
  const once = caller.kind === "grant";
  if (!once && header === undefined) return ok(undefined);

  const { kind, length, metadata, creator = null } = creation;
  const asked = [...metadata].filter(([key]) => key !== GRANT_KEY).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const key = once ? ["grant", caller.credential] : [caller.kind, caller.subject ?? caller.credential, header];
  return ok({
    key: JSON.stringify(key),
    fingerprint: await hashes.digest(JSON.stringify([kind, length, creator, asked])),
    once,
  });
}
