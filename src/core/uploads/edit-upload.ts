import { type Access, versionOf } from "../auth/authenticate.ts";
import { giveBackCalls, takeCalls, upstreamBusy } from "../budget/acquire-call.ts";
import { digestCreator } from "../policy/decide-upload.ts";
import {
  type EditContext,
  type PendingChange,
  decidePendingEdit,
  decideVideoEdit,
} from "../policy/rules/decide-edit.ts";
import { decideEditedCreator } from "../policy/rules/edited-creator.ts";
import type { Explanation } from "../policy/rules/policy-decision.ts";
import { narrow } from "../policy/rules/policy.ts";
import type { Budget } from "../ports/budget.ts";
import type { SecretHashes } from "../ports/hashes.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { Registry } from "../ports/registry.ts";
import type { StreamApi } from "../ports/stream.ts";
import type { Trace } from "../ports/trace.ts";
import type { VideoTags } from "../ports/video-tags.ts";
import { type EditEnd, NOT_PENDING, NO_VIDEO, limitsOfSeconds } from "../quota/rules/edit-reservation.ts";
import { unmeetableLimit } from "../quota/rules/unmeetable-limit.ts";
import { uploadBounds } from "../quota/rules/upload-bounds.ts";
import { PROBLEMS, type Problem, problem } from "../shared/problem.ts";
import { type Result, err, ok } from "../shared/result.ts";
import { OPERATIONS } from "../stream/rules/operations.ts";
import { parseVideo } from "../stream/rules/parse-video.ts";
import { type Upstream, requireUpstream } from "../stream/rules/upstream.ts";
import type { StreamVideo } from "../stream/rules/video.ts";
import { type VideoJson, metaOf, forClients } from "../stream/rules/video-document.ts";
import { NO_SUCH_UPLOAD } from "./find-upload.ts";
import { summarizeDecision } from "./rules/decision-summary.ts";
import type { UploadRecord } from "./rules/upload-record.ts";
import { type VideoEdit, mergePublicDetails, optionsOf, writeVideoEdit } from "./rules/video-edit.ts";

export interface EditUploadPorts {
  readonly registry: Pick<Registry, "upstream">;
  readonly budget: Pick<Budget, "acquire" | "refund">;
  readonly stream: Pick<StreamApi, "video" | "call">;
  readonly ledgers: Pick<Ledgers, "beginEdit" | "endEdit">;
  readonly hashes: SecretHashes;
  readonly tags: VideoTags;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

export interface EditedUpload {
  readonly upload: UploadRecord;
  /** As Stream shows it, without the gateway's tag. */
  readonly video: VideoJson;
}

/** An edit whose caller, upstream and bounds are known. */
interface Edit {
  readonly access: Access;
  readonly upload: UploadRecord;
  readonly uid: string;
  readonly upstream: Upstream;
  readonly edit: VideoEdit;
  readonly pending: PendingChange;
  readonly context: EditContext;
  /** Of what is decided about the pending upload. */
  readonly explanations: readonly Explanation[];
}

/** Calls of an edit: one reads the video, one changes it. */
const CALLS = OPERATIONS.editVideo.calls;

/**
 * Edits the video of an upload: decides what concerns its reservation, begins the edit in the ledger, which reserves a longer duration
 * and lets one edit per video in, reads the video, decides the rest, changes it at Stream, and ends the edit in the ledger.
 *
 * If Stream's answer is lost, the longer of the two reservations stays, and the ledger asks Stream what became of the edit. To repeat
 * it does no harm.
 *
 * @returns `stale` if the tenant or its plan has changed since it was read
 */
export async function editUpload(
  ports: EditUploadPorts,
  access: Access,
  upload: UploadRecord,
  edit: VideoEdit,
  trace: Trace,
): Promise<Result<EditedUpload> | "stale"> {
  const { tenant, caller } = access;
  const { uid } = upload;
  if (uid === undefined) return err(NO_VIDEO);
  if (edit.uid !== undefined && edit.uid !== uid)
    return err(problem("body_invalid", "uid must be that of the video in the path.", { key: "uid" }));
  const upstream = requireUpstream(await ports.registry.upstream(upload.upstream, "trusted"));
  if (!upstream.ok) return upstream;

  const bounds = uploadBounds(upstream.value, tenant.limits);
  const context = { created: upload.created, length: upload.bytes, bounds, now: ports.now() };
  const { result: pending, explanations } = decidePendingEdit(
    narrow(tenant.policy, caller.policy),
    edit.metadata,
    context,
    upload.expires,
  );
  if (!pending.ok) return pending;
  const refusal = refusePending(pending.value, access, upload);
  if (refusal) return err(refusal);

  const calls = await takeCalls(ports.budget, upstream.value, tenant, CALLS);
  if (!calls.granted) return calls.isStale ? "stale" : err(upstreamBusy(calls.retryAfterSeconds));
  const decided = {
    access,
    upload,
    uid,
    upstream: upstream.value,
    edit,
    pending: pending.value,
    context,
    explanations,
  };
  const { seconds } = pending.value;
  const started = await ports.ledgers.beginEdit(tenant.id, {
    id: upload.id,
    version: versionOf(access),
    limits: tenant.limits,
    ...(seconds !== undefined && { seconds }),
  });
  const start = started.ok ? started.value : ({ kind: "refused", problem: started.problem } as const);
  if (start.kind === "begun") return carryOut(ports, decided, start.seconds, trace);
  await giveBackCalls(ports.budget, upstream.value, tenant.id, CALLS);
  return start.kind === "stale" ? "stale" : err(start.problem);
}

/** Duration and expiry of an upload that has its bytes, or a duration that no limit could ever admit. */
function refusePending(
  { seconds, expires }: PendingChange,
  { tenant }: Access,
  upload: UploadRecord,
): Problem | undefined {
  if (seconds === undefined && expires === undefined) return undefined;
  if (upload.state !== "issued" || upload.source) return NOT_PENDING;
  const isLonger = seconds !== undefined && seconds > upload.seconds;
  return isLonger ? unmeetableLimit(limitsOfSeconds(tenant.limits), { bytes: 0, seconds }, "tus") : undefined;
}

/** What became of an edit that has begun. */
interface Outcome {
  readonly result: Result<VideoJson>;
  /** What the ledger records. */
  readonly end: EditEnd;
  /** Calls that were not made. */
  readonly unused: number;
}

/** @param reserved seconds that the upload reserved before the edit */
async function carryOut(
  ports: EditUploadPorts,
  decided: Edit,
  reserved: number,
  trace: Trace,
): Promise<Result<EditedUpload>> {
  const { access, upload, upstream } = decided;
  const { result, end, unused } = await trace.measure("stream", change(ports, decided, reserved, trace));
  await giveBackCalls(ports.budget, upstream, access.tenant.id, unused);
  const ended = await ports.ledgers.endEdit(access.tenant.id, upload.id, end);
  if (!result.ok) return result;
  return ended.ok ? ok({ upload: ended.value ?? upload, video: result.value }) : ended;
}

/** Reads the video, decides the edit, and sends to Stream what changes. */
async function change(ports: EditUploadPorts, edit: Edit, reserved: number, trace: Trace): Promise<Outcome> {
  const { upstream, uid, pending } = edit;
  const before = await ports.stream.video(upstream, uid);
  const notRead: Omit<Outcome, "result"> = { end: { seconds: reserved }, unused: 1 };
  if (before && !("json" in before)) return { ...notRead, result: err(NO_SUCH_UPLOAD) };
  if (!before) return { ...notRead, result: err(problem("stream_error", "Stream did not return the video.")) };

  // Nothing has changed at Stream: the reservation is what Stream has.
  const seconds = pending.seconds === undefined ? undefined : (before.maxDurationSeconds ?? reserved);
  const asBefore: EditEnd = { video: before, ...(seconds !== undefined && { seconds }) };
  const body = await decide(ports, edit, before, trace);
  if (!body.ok) return { result: body, end: asBefore, unused: 1 };
  if (!body.value) return { result: ok(forClients(before.json)), end: { ...pending, video: before }, unused: 1 };

  const answer = await ports.stream.call(upstream, { method: "POST", path: `/${uid}`, json: body.value });
  if (!answer.ok) return { result: answer, end: mayBeCarriedOut(answer.problem) ? {} : asBefore, unused: 0 };
  const after = parseVideo(answer.value, upstream);
  if (after?.report.uid !== uid)
    return { result: err(problem("stream_bad_answer", "Stream's answer cannot be used.")), end: {}, unused: 0 };
  return { result: ok(forClients(after.json)), end: { ...pending, video: after }, unused: 0 };
}

/** @returns the body for Stream; `undefined` if nothing changes */
async function decide(
  { hashes, tags }: EditUploadPorts,
  { access, upload, edit, pending, context, explanations: ofPending }: Edit,
  { report, json, tooDeep, maxDurationSeconds, expires }: StreamVideo,
  trace: Trace,
): Promise<Result<VideoJson | undefined>> {
  const { tenant, caller } = access;
  const isPending = report.kind === "pending";
  if (!isPending && (pending.seconds !== undefined || pending.expires !== undefined)) return err(NOT_PENDING);
  const policy = narrow(tenant.policy, caller.policy);
  const { result: change, explanations } = decideVideoEdit(
    policy,
    edit.metadata,
    context,
    optionsOf(json),
    metaOf(json),
  );
  trace.annotate({ decision: summarizeDecision([...ofPending, ...explanations]) });
  if (!change.ok) return change;
  // The rest of it would be lost.
  if (change.value.meta && tooDeep && !("meta" in json))
    return err(problem("stream_bad_answer", "The meta of the video nests too deep to be edited."));

  const current = typeof json["creator"] === "string" ? json["creator"] : (upload.creator ?? "");
  const digest = edit.creator ? await digestCreator(hashes, policy, { caller, creator: edit.creator }) : undefined;
  const creator = decideEditedCreator(policy, edit.creator, current, {
    caller,
    ...(digest !== undefined && { creatorDigest: digest }),
  });
  if (!creator.ok) return creator;
  const publicDetails = mergePublicDetails(json["publicDetails"], edit.publicDetails);
  const decided = {
    ...change.value,
    ...(pending.seconds !== undefined && pending.seconds !== maxDurationSeconds && { seconds: pending.seconds }),
    ...(pending.expires !== undefined && pending.expires !== expires && { expires: pending.expires }),
    ...(creator.value !== undefined && { creator: creator.value }),
    ...(publicDetails && { publicDetails }),
  };
  return ok(writeVideoEdit(decided, await tags.sign(tenant.id, upload.id)));
}

/** Whether Stream may have carried out a call that failed: no answer, or that of a proxy. */
function mayBeCarriedOut({ code }: Problem): boolean {
  return PROBLEMS[code].status >= 500 && code !== "stream_credential_refused";
}
