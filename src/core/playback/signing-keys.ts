import { acquireCall } from "../budget/acquire-call.ts";
import { BACKGROUND_TENANT } from "../budget/rules/call-window.ts";
import type { AdminRegistry } from "../ports/admin-registry.ts";
import type { Budget } from "../ports/budget.ts";
import type { PlaybackTokens } from "../ports/playback-tokens.ts";
import type { StreamApi, StreamCall } from "../ports/stream.ts";
import { isJsonObject } from "../shared/json.ts";
import { problem } from "../shared/problem.ts";
import { type Result, err, ok } from "../shared/result.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import { MAX_SIGNING_KEYS, SIGNING_KEY_ID, type SigningKey, readSigningJwk } from "./rules/signing-key.ts";

export interface SigningKeyPorts {
  readonly adminRegistry: Pick<AdminRegistry, "signingKeys">;
  readonly playbackTokens: PlaybackTokens;
  readonly stream: Pick<StreamApi, "call">;
  readonly budget: Pick<Budget, "acquire">;
}

const TOO_MANY = problem(
  "conflict",
  `The upstream has the maximum of ${MAX_SIGNING_KEYS} signing keys. Delete one whose tokens have expired.`,
);
const NOT_STORED = problem(
  "conflict",
  "The upstream has this signing key, or the maximum of keys, or was changed at the same time. Read it and try again.",
);
const UNUSABLE = problem("stream_bad_answer", "Stream returned a signing key that cannot be used.");

/**
 * Makes a key at Stream and stores it. Stream gives it out once: a key that cannot be stored is deleted there again. It stays if the
 * database does not say whether it has stored it: then it may be the one that signs.
 *
 * @returns the key's id
 */
export async function makeSigningKey(ports: SigningKeyPorts, upstream: Upstream): Promise<Result<string>> {
  const { signingKeys } = ports.adminRegistry;
  if ((await signingKeys.list(upstream.id)).length >= MAX_SIGNING_KEYS) return err(TOO_MANY);
  const made = await callStream(ports, upstream, { method: "POST", path: "/keys" });
  if (!made.ok) return made;
  const { id, jwk: encoded } = isJsonObject(made.value) ? made.value : {};
  if (typeof id !== "string" || !SIGNING_KEY_ID.test(id)) return err(UNUSABLE);

  const jwk = readSigningJwk(encoded, id);
  const isUsable = jwk !== undefined && (await ports.playbackTokens.canSign({ id, jwk }));
  if (isUsable && (await signingKeys.add(upstream, { id, jwk }, "made"))) return ok(id);

  let refusal = isUsable ? NOT_STORED : UNUSABLE;
  const deleted = await deleteAtStream(ports, upstream, id);
  if (!deleted.ok)
    refusal = { ...refusal, detail: `${refusal.detail} The key ${id} is still at Stream: delete it there.` };
  return err(refusal);
}

/** Stores a key that exists at Stream. Whether Stream has it cannot be asked: it shows no keys. */
export async function importSigningKey(
  { adminRegistry, playbackTokens }: SigningKeyPorts,
  upstream: Upstream,
  key: Pick<SigningKey, "id" | "jwk">,
): Promise<Result<string>> {
  if (!(await playbackTokens.canSign(key)))
    return err(problem("body_invalid", "jwk: must be a private key that can sign.", { key: "jwk" }));
  return (await adminRegistry.signingKeys.add(upstream, key, "imported")) ? ok(key.id) : err(NOT_STORED);
}

/**
 * Deletes a key at Stream, which ends all of its tokens, and then here, for all upstreams of the account. If Stream does not confirm,
 * the key stays. A key of an account that the upstream no longer has is out of reach, and is deleted here only, for this upstream.
 *
 * @param force also if Stream does not confirm: it may not have the key, and say so in another way than expected
 * @returns `false` if there is no such key
 */
export async function deleteSigningKey(
  ports: SigningKeyPorts,
  upstream: Upstream,
  id: string,
  force: boolean,
): Promise<Result<boolean>> {
  const { signingKeys } = ports.adminRegistry;
  const key = (await signingKeys.list(upstream.id)).find((stored) => stored.id === id);
  if (!key) return ok(false);
  const isInReach = key.accountId === upstream.accountId;
  const deleted = isInReach ? await deleteAtStream(ports, upstream, id) : ok(undefined);
  if (!deleted.ok && !force) {
    const { problem: reason } = deleted;
    return err({ ...reason, detail: `${reason.detail} The signing key was not deleted.` });
  }
  return ok(await signingKeys.delete(upstream.id, id, isInReach && deleted.ok ? upstream.accountId : undefined));
}

/** Stream says 404 of a key that is gone. */
async function deleteAtStream(ports: SigningKeyPorts, upstream: Upstream, id: string): Promise<Result<unknown>> {
  const called = await callStream(ports, upstream, { method: "DELETE", path: `/keys/${id}` });
  return called.ok || called.problem.code !== "not_found" ? called : ok(undefined);
}

async function callStream(
  { budget, stream }: SigningKeyPorts,
  upstream: Upstream,
  call: StreamCall,
): Promise<Result<unknown>> {
  const acquired = await acquireCall(budget, upstream, BACKGROUND_TENANT, "foreground");
  return acquired.ok ? stream.call(upstream, call) : acquired;
}
