import type { Caller } from "../auth/rules/caller.ts";
import { DEFAULT_GRANT_UPLOADS } from "../auth/rules/grant.ts";
import { TENANT_NAMESPACE } from "../auth/rules/person.ts";
import { GRANT_KEY } from "../policy/rules/reserved-keys.ts";
import type { SecretHashes } from "../ports/hashes.ts";
import type { IdempotencyRequest } from "../quota/rules/reservation.ts";
import { type Problem, problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { truncate } from "../shared/text.ts";
import type { CreationRequest } from "./rules/creation-request.ts";

/** A valid `Idempotency-Key`. https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ */
const IDEMPOTENCY_KEY = /^[\x20-\x7e]{1,255}$/;

/** Checks the header alone, before a body is read. */
export function checkIdempotencyKey(header: string | undefined): Problem | undefined {
  if (header === undefined || IDEMPOTENCY_KEY.test(header)) return undefined;
  return problem(
    "idempotency_key_invalid",
    `Idempotency-Key must be 1 to 255 printable ASCII characters (found: "${truncate(header)}").`,
  );
}

/**
 * The key and fingerprint that identify a repeated creation. A client's `Idempotency-Key` counts within the tenant for API keys,
 * so that a repeat with another key of the tenant makes no second upload; within the person for JWTs; and within the grant for
 * grants. Without it, a grant tells its files apart by their fingerprints.
 *
 * @returns `undefined` if the request has neither
 */
export async function resolveIdempotencyKey(
  hashes: SecretHashes,
  caller: Caller,
  creation: CreationRequest,
  header: string | undefined,
): Promise<Result<IdempotencyRequest | undefined>> {
  const invalid = checkIdempotencyKey(header);
  if (invalid) return err(invalid);
  const isGrant = caller.kind === "grant";
  if (!isGrant && header === undefined) return ok(undefined);

  const { kind, length = null, metadata, creator = null } = creation;
  const pairs = [...metadata].filter(([key]) => key !== GRANT_KEY).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const fingerprint = await hashes.digest(JSON.stringify([kind, length, creator, pairs, ...contentOf(creation)]));
  if (isGrant) {
    const formerKey = JSON.stringify(["grant", caller.credential]);
    const { uploads = DEFAULT_GRANT_UPLOADS } = caller.grant ?? {};
    return ok({
      key: JSON.stringify(["grant", caller.credential, header ?? fingerprint]),
      fingerprint,
      once: true,
      formerKey,
      perGrant: { prefix: formerKey.slice(0, -1), uploads },
    });
  }
  const { person } = caller;
  if (person && person.namespace !== TENANT_NAMESPACE)
    return ok({
      key: JSON.stringify(["person", person.namespace, person.subject, header]),
      fingerprint,
      once: false,
    });
  return ok({
    key: JSON.stringify(["tenant", person?.subject ?? "", header]),
    fingerprint,
    once: false,
    formerKey: JSON.stringify([caller.kind, person?.subject ?? caller.credential, header]),
  });
}

/** What tells two copies or clips apart. */
function contentOf(creation: CreationRequest): readonly unknown[] {
  if (creation.kind === "copy") return [creation.url];
  if (creation.kind !== "clip") return [];
  const { of, startSeconds, endSeconds } = creation.clip;
  return [of, startSeconds, endSeconds];
}
