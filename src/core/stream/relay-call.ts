import type { Access } from "../auth/authenticate.ts";
import { playbackBounds } from "../policy/rules/playback-bounds.ts";
import { namedWatermarks } from "../policy/rules/named-watermarks.ts";
import { narrow } from "../policy/rules/policy.ts";
import type { StreamCall } from "../ports/stream.ts";
import { problem } from "../shared/problem.ts";
import { type Result, err, ok } from "../shared/result.ts";
import { NO_SUCH_UPLOAD } from "../uploads/find-upload.ts";
import type { UploadRecord } from "../uploads/rules/upload-record.ts";
import { type CallStreamPorts, callStream } from "./call-stream.ts";
import { OPERATIONS, type Operation } from "./rules/operations.ts";
import { videoDocument } from "./rules/video-document.ts";

/** An operation that is handed on to Stream. */
export type RelayedOperation = Operation & Required<Pick<Operation, "answer">>;

/** An MP4 of a video that requires no signed URLs can be fetched by anyone who knows its uid. */
const NOT_DOWNLOADABLE = problem("feature_not_allowed", "The policy does not have playback.downloadable: true.", {
  key: "playback.downloadable",
});
const NO_SUCH_WATERMARK = problem("not_found", "The policy names no such watermark.");
const BAD_ANSWER = err(problem("stream_bad_answer", "Stream's answer cannot be used."));

/**
 * Hands a call about captions or downloads on to Stream. Its path is built from the uid in the ledger, and of the answer passes
 * what the operation lets through. Downloads can be deleted whatever the policy says about them.
 *
 * @param language a checked language tag, for operations whose path has one
 */
export async function relayCall(
  ports: CallStreamPorts,
  operation: RelayedOperation,
  { access: { tenant, caller }, upload }: { readonly access: Access; readonly upload: UploadRecord },
  { language = "", ...content }: { readonly language?: string } & Pick<StreamCall, "file" | "accept">,
): Promise<Result<unknown>> {
  const { feature, method, path, answer } = operation;
  if (feature === "downloads" && method !== "DELETE") {
    const { downloadable } = playbackBounds(narrow(tenant.policy, caller.policy));
    if (!downloadable) return err(NOT_DOWNLOADABLE);
  }
  const uid = videoDocument(upload)?.uid;
  if (uid === undefined) return err(NO_SUCH_UPLOAD);
  const called = await callStream(ports, tenant.id, upload.upstream, {
    method,
    path: path.replace(":uid", uid).replace(":language", language),
    ...content,
  });
  return called.ok ? shown(answer(called.value)) : called;
}

function shown<T>(answer: T | undefined): Result<T> {
  return answer === undefined ? BAD_ANSWER : ok(answer);
}

/** Lists the profiles of the account that the tenant's policy names. Without any, Stream is not asked. */
export async function listWatermarks(
  ports: CallStreamPorts,
  { tenant, caller }: Access,
): Promise<Result<readonly unknown[]>> {
  const named = namedWatermarks(narrow(tenant.policy, caller.policy));
  if (named.length === 0) return ok([]);
  const { method, path, answer } = OPERATIONS.listWatermarks;
  const called = await callStream(ports, tenant.id, tenant.upstream, { method, path });
  if (!called.ok) return called;
  return shown(answer(called.value)?.filter(({ uid }) => named.includes(String(uid))));
}

/** Reads a profile that the tenant's policy names. */
export async function readWatermark(
  ports: CallStreamPorts,
  { tenant, caller }: Access,
  profile: string,
): Promise<Result<unknown>> {
  if (!namedWatermarks(narrow(tenant.policy, caller.policy)).includes(profile)) return err(NO_SUCH_WATERMARK);
  const { method, path, answer } = OPERATIONS.readWatermark;
  const called = await callStream(ports, tenant.id, tenant.upstream, {
    method,
    path: path.replace(":profile", encodeURIComponent(profile)),
  });
  return called.ok ? shown(answer(called.value)) : called;
}
