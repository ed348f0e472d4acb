import type { Access } from "../auth/authenticate.ts";
import { playbackBounds } from "../policy/rules/playback-bounds.ts";
import { narrow } from "../policy/rules/policy.ts";
import type { PlaybackTokens } from "../ports/playback-tokens.ts";
import { isJsonObject } from "../shared/json.ts";
import { problem } from "../shared/problem.ts";
import { type Result, err, ok } from "../shared/result.ts";
import { type CallStreamPorts, callStream } from "../stream/call-stream.ts";
import { requireUpstream } from "../stream/rules/upstream.ts";
import { NO_SUCH_UPLOAD } from "../uploads/find-upload.ts";
import type { UploadRecord } from "../uploads/rules/upload-record.ts";
import { refuseUnplayable } from "./rules/playable.ts";
import { type TokenClaims, type TokenRequest, decideToken } from "./rules/playback-token.ts";
import { type PlaybackUrls, playbackUrls } from "./rules/playback-urls.ts";

export interface SignPlaybackPorts extends CallStreamPorts {
  readonly playbackTokens: PlaybackTokens;
  readonly config: { readonly allowLoopback: boolean };
  /** Seconds since the epoch. */
  readonly now: () => number;
}

export interface SignedPlayback {
  readonly token: string;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  readonly urls: PlaybackUrls;
}

/**
 * Signs a token that plays an upload's video: with a key of the upload's upstream, or by a call to Stream if the registry has no
 * key. Signing with a key costs no call, writes nothing, and counts for no limit.
 */
export async function signPlayback(
  ports: SignPlaybackPorts,
  { tenant, caller }: Access,
  upload: UploadRecord,
  request: TokenRequest,
): Promise<Result<SignedPlayback>> {
  const unplayable = refuseUnplayable(upload);
  if (unplayable) return err(unplayable);
  const { uid, upstream, video = {} } = upload;
  if (uid === undefined) return err(NO_SUCH_UPLOAD);
  const claims = decideToken(playbackBounds(narrow(tenant.policy, caller.policy)), request, ports.now());
  if (!claims.ok) return claims;

  const token = await sign(ports, { tenant: tenant.id, upstream, uid }, claims.value);
  if (!token.ok) return token;
  const urls = playbackUrls(video, uid, token.value, ports.config.allowLoopback);
  return ok({ token: token.value, expiresAt: claims.value.exp, urls });
}

async function sign(
  ports: SignPlaybackPorts,
  video: { readonly tenant: string; readonly upstream: string; readonly uid: string },
  claims: TokenClaims,
): Promise<Result<string>> {
  const upstream = requireUpstream(await ports.registry.upstream(video.upstream, "trusted"));
  if (!upstream.ok) return upstream;
  const key = await ports.registry.signingKey(upstream.value);
  if (!key.ok) return key;
  if (key.value) return ok(await ports.playbackTokens.sign(key.value, video.uid, claims));

  const path = `/${video.uid}/token`;
  const called = await callStream(ports, video.tenant, video.upstream, { method: "POST", path, json: claims });
  if (!called.ok) return called;
  const token = isJsonObject(called.value) ? called.value["token"] : undefined;
  return typeof token === "string" && token.length <= MAX_TOKEN_CHARACTERS && TOKEN.test(token)
    ? ok(token)
    : err(problem("stream_bad_answer", "Stream's answer has no token."));
}

/** What Cloudflare takes of a URL. */
const MAX_TOKEN_CHARACTERS = 16 * 1024;
/** A JWT, which becomes a part of a path. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;
