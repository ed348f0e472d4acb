import type { Handler } from "hono";
import { playbackSchema, streamTokenSchema } from "../../core/playback/rules/playback-token.ts";
import { type SignPlaybackPorts, signPlayback } from "../../core/playback/sign-playback.ts";
import { rfc3339 } from "../../core/shared/time.ts";
import { OPERATIONS } from "../../core/stream/rules/operations.ts";
import type { AppEnv } from "../app-env.ts";
import { respondResult } from "./envelope.ts";
import { handle } from "./handle.ts";
import { readOptionalJson } from "./json-body.ts";
import { type Door, type OnUploadPorts, onUpload, requireOperation } from "./on-upload.ts";

/**
 * The handler of playback tokens, for one of the two APIs: it answers with token and URLs, or with the token on Cloudflare's path. What
 * the credential can refuse is refused before the body is read.
 */
export function signPlaybackToken(ports: OnUploadPorts & SignPlaybackPorts, door: Door): Handler<AppEnv> {
  const operation = OPERATIONS.signToken;
  return handle({ access: requireOperation(ports, operation) }, async (c) => {
    const body =
      door === "cloudflare"
        ? await readOptionalJson(c.req.raw, streamTokenSchema, "any")
        : await readOptionalJson(c.req.raw, playbackSchema);
    if (!body.ok) return body;

    const signed = await onUpload(ports, c, operation, door, (access, upload) =>
      signPlayback(ports, access, upload, body.value),
    );
    if (!signed.ok) return signed;
    const { token, expiresAt, urls } = signed.value;
    if (door === "cloudflare") return respondResult(c, { token });
    const document = { token, expiresAt: rfc3339(expiresAt), ...urls };
    return c.json(document, 200, { "Cache-Control": "no-store" });
  });
}
