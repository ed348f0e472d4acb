import { type Problem, problem } from "../../core/shared/problem.ts";
import type { EditStartOutcome } from "../../core/quota/rules/edit-reservation.ts";
import type { ReservationOutcome, ReservationRequest } from "../../core/quota/rules/reservation.ts";
import { type Result, ok, err } from "../../core/shared/result.ts";
import { OBJECT_RETRY_SECONDS, orElse } from "./or-else.ts";
import { type StoredUpload, attemptOf, comparisonOf, storedAttempt, uploadRecordOf } from "./ledger-rpc.ts";
import type { Ledgers } from "../../core/ports/ledger.ts";
import type { CreatorFilter, UploadRecord } from "../../core/uploads/rules/upload-record.ts";

/** The ledgers, one Durable Object per tenant. */
export function createLedgers(namespace: Env["LEDGER"]): Ledgers {
  const of = (tenant: string) => namespace.getByName(tenant);
  return {
    syncTenantVersion: (tenant, version, hasEndpoints) => of(tenant).learn(version, hasEndpoints),

    reserve: (tenant, request) =>
      orElse(reserve(of(tenant), request).then(readOutcome), async (reason) => {
        // The call may have succeeded and only its answer been lost. A stub stays broken after a failure, so this uses a new
        // one. (Assumed: the object runs this release after the failed call; otherwise the reservation stays until it expires.)
        await orElse(of(tenant).release(request.id, "unsent"), () => undefined);
        return { kind: "refused", problem: unavailable(reason) };
      }),

    async attach(tenant, id, uid, made) {
      const ledger = of(tenant);
      const attached = await orProblem(
        typeof made === "string" ? ledger.attach(id, uid, made) : ledger.attachVideo(id, uid, made),
      );
      if (!attached.ok) return attached;
      return attached.value
        ? ok(undefined)
        : err(problem("upload_cancelled", "The upload was cancelled while it was being created."));
    },

    // If one of these calls fails, the upload keeps its state until it is due, and the alarm settles it.
    release: (tenant, id, cause) => orElse(of(tenant).release(id, cause), () => undefined),
    markUnknown: (tenant, id) => orElse(of(tenant).leaveUnknown(id), () => undefined),
    cancelOrphaned: (tenant, id, uid) => orElse(of(tenant).discard(id, uid), () => undefined),
    confirmVideoDeleted: (tenant, id) => orElse(of(tenant).confirmGone(id), () => undefined),

    stopAsking: (tenant, id) => orElse(of(tenant).stopAsking(id), () => undefined),
    expire: (tenant, id) => orProblem(of(tenant).expire(id)),
    usage: (tenant) => orProblem(of(tenant).usage()),
    usageOfMonth: (tenant, start) => orProblem(of(tenant).usageOfMonth(start)),
    usageOfCreator: (tenant, { creator, ...more }) => orProblem(of(tenant).usageOfCreator(creator, ...present(more))),
    limitUses: (tenant, limits, upload) => orProblem(of(tenant).limitUses(limits, upload)),
    deletionsPending: (tenant) => orProblem(of(tenant).deletionsPending()),
    find: (tenant, idOrUid) =>
      orProblem(
        of(tenant)
          .find(idOrUid)
          .then((stored) => recordOf(stored, tenant)),
      ),
    findCurrent: (tenant, idOrUid, version) =>
      orProblem(
        of(tenant)
          .findCurrent(idOrUid, version)
          .then((found) => (found === "stale" ? found : recordOf(found, tenant))),
      ),
    list: (tenant, query) =>
      orProblem(
        (query.video ? of(tenant).listVideos(query) : of(tenant).list(query)).then((page) => ({
          ...page,
          uploads: page.uploads.map((stored) => uploadRecordOf(stored, tenant)),
        })),
      ),
    storage: (tenant, { creator, ...more }) => orProblem(of(tenant).storage(creator, ...present(more))),
    cancel: (tenant, id, version, unfinishedOnly) =>
      orProblem(
        of(tenant)
          .cancel(id, version, ...(unfinishedOnly ? [true] : []))
          .then((cancelled) => (typeof cancelled === "string" ? cancelled : recordOf(cancelled, tenant))),
      ),
    beginEdit: (tenant, edit) =>
      orProblem(
        of(tenant)
          .beginEdit(edit)
          .then((json) => JSON.parse(json) as EditStartOutcome),
      ),
    endEdit: (tenant, id, end) =>
      orProblem(
        of(tenant)
          .endEdit(id, end)
          .then((stored) => recordOf(stored, tenant)),
      ),
    record: (tenant, upstream, video) => orProblem(of(tenant).record(upstream, video)),
    lostCreations: (tenant, upstream) =>
      orProblem(
        of(tenant)
          .lostCreations(upstream)
          .then((times) => [...times]),
      ),
    recordSearch: (tenant, upstream, page) => orProblem(of(tenant).recordSearch(upstream, page)),
    reconcile: (tenant, upstream, page) => orProblem(of(tenant).compare(upstream, page).then(comparisonOf)),
    events: (tenant, query) => orProblem(of(tenant).events(query)),
    event: (tenant, id) =>
      orProblem(
        of(tenant)
          .event(id)
          .then((event) => event && { ...event, attempts: event.attempts.map(attemptOf) }),
      ),
    recordAttempt: (tenant, eventId, attempt) => of(tenant).recordAttempt(eventId, storedAttempt(attempt)),
  };
}

/** An object of the version before would take a copy for an upload. */
function reserve(ledger: ReturnType<Env["LEDGER"]["getByName"]>, request: ReservationRequest): Promise<string> {
  return request.source ? ledger.reserveVideo(request) : ledger.reserve(request);
}

function readOutcome(json: string): ReservationOutcome {
  return JSON.parse(json) as ReservationOutcome;
}

function recordOf(stored: StoredUpload | undefined, tenant: string): UploadRecord | undefined {
  return stored && uploadRecordOf(stored, tenant);
}

/** The parts of a filter that an object of the version before does not know. */
function present({ orLabel, label }: CreatorFilter): [CreatorFilter] | [] {
  if (orLabel) return [{ orLabel }];
  return label === undefined ? [] : [{ label }];
}

function orProblem<T>(answer: Promise<T>): Promise<Result<T>> {
  return orElse<Result<T>>(
    answer.then((value) => ok(value)),
    (reason) => err(unavailable(reason)),
  );
}

function unavailable(reason: string): Problem {
  return problem("ledger_unavailable", "The tenant's ledger is not available.", {
    facts: { reason },
    retryAfterSeconds: OBJECT_RETRY_SECONDS,
  });
}
