import { createPrivateKey } from "node:crypto";
import { type Answer, succeed } from "../http.ts";
import type { SigningKey, SigningKeys } from "../signing-keys.ts";
import type { Stream } from "../stream.ts";
import { type TokenRequest, readTokenRequest, signToken } from "../tokens.ts";
import { demand } from "../values.ts";
import type { Video } from "../videos.ts";
import { type ApiCall, type Route, onVideo, readOptionalJsonBody } from "./route.ts";

/** A token is given for a video in any state. [U] */
export const TOKENS: readonly Route[] = [{ method: "POST", path: "/:uid/token", answer: onVideo(create) }];

async function create({ signingKeys, clock }: Stream, { uid }: Video, call: ApiCall): Promise<Answer> {
  const request = readTokenRequest(readOptionalJsonBody(call), Math.floor(clock.now() / 1_000));
  const key = request.key ? keyOf(request.key, signingKeys) : await signingKeys.signer();
  return succeed({ token: await signToken(key, uid, request.claims) });
}

/** That another key than the one with this id is refused is [U]. */
function keyOf({ id, pem }: NonNullable<TokenRequest["key"]>, keys: SigningKeys): SigningKey {
  const key = keys.list().find((each) => each.id === id);
  demand(key !== undefined && isSameKey(key.pem, Buffer.from(pem, "base64").toString("utf8")), "no such signing key");
  return key;
}

function isSameKey(a: string, b: string): boolean {
  try {
    return createPrivateKey(a).equals(createPrivateKey(b));
  } catch {
    return false;
  }
}
