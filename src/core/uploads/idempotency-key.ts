import type { Caller } from "../auth/rules/caller.ts";
import { GRANT_KEY } from "../policy/rules/reserved-keys.ts";
import type { SecretHashes } from "../ports/hashes.ts";
import type { IdempotencyRequest } from "../quota/rules/reservation.ts";
import { problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { truncate } from "../shared/text.ts";
import type { CreationRequest } from "./rules/tus-creation.ts";

/** A valid `Idempotency-Key`. https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ */
const IDEMPOTENCY_KEY = /^[\x20-\x7e]{1,255}$/;

/**
 * The key and fingerprint that identify a repeated creation. A grant is a key by itself, since it is for a single upload,
 * and takes precedence over the client's `Idempotency-Key`, which counts per caller.
 *
 * @returns `undefined` if the request has neither
 */
export async function resolveIdempotencyKey(
  hashes: SecretHashes,
  caller: Caller,
  creation: CreationRequest,
  header: string | undefined,
): Promise<Result<IdempotencyRequest | undefined>> {
  if (header !== undefined && !IDEMPOTENCY_KEY.test(header))
    return err(
      problem(
        "idempotency_key_invalid",
        `Idempotency-Key must be 1 to 255 printable ASCII characters (found: "${truncate(header)}").`,
      ),
    );
  const singleUse = caller.kind === "grant";
  if (!singleUse && header === undefined) return ok(undefined);

  const { kind, length, metadata, creator = null } = creation;
  const pairs = [...metadata].filter(([key]) => key !== GRANT_KEY).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const key = singleUse ? ["grant", caller.credential] : [caller.kind, caller.subject ?? caller.credential, header];
  return ok({
    key: JSON.stringify(key),
    fingerprint: await hashes.digest(JSON.stringify([kind, length, creator, pairs])),
    once: singleUse,
  });
}
