import { describe, expect, it } from "vitest";
import { createLedgers } from "../../../src/adapters/durable-objects/ledger-client.ts";
import type { Ledgers } from "../../../src/core/ports/ledger.ts";
import { EDIT_IN_PROGRESS, type EditStart } from "../../../src/core/quota/rules/edit-reservation.ts";
import type { ReservationRequest } from "../../../src/core/quota/rules/reservation.ts";
import { ok } from "../../../src/core/shared/result.ts";
import type { StreamVideo } from "../../../src/core/stream/rules/video.ts";
import type { UploadRecord } from "../../../src/core/uploads/rules/upload-record.ts";
import type { DeliveryAttempt } from "../../../src/core/webhooks/rules/delivery.ts";
import { GOLDEN_TIME as T, LEDGER_CALLS, goldenId as id, goldenUid as uid, objectAnswering } from "./golden.ts";

const TENANT = "golden";
const URL = `https://upload.cloudflarestream.com/${uid(1)}`;
const EVENT = "evt_golden_1";

const MINIMAL: ReservationRequest = {
  id: id(2),
  version: 3,
  limits: {},
  upstream: "default",
  bytes: 1000,
  seconds: 60,
  expires: T + 1800,
};
const QUOTA = {
  month: { uploads: 100, bytes: 1_000_000, seconds: 86_400 },
  day: { uploads: 10, bytes: 100_000, seconds: 7_200 },
};
const FULL: ReservationRequest = {
  ...MINIMAL,
  id: id(1),
  limits: { pending: 4, pendingPerCreator: 4, storedSeconds: 3600, rate: { tenant: 60, creator: 30 }, quota: QUOTA },
  creator: "u_1",
  idempotency: { key: "api key acme/k1/8f14e45f", fingerprint: "a".repeat(64), once: false },
};
const SINGLE_USE = { key: "api key acme/k1/8f14e45f", fingerprint: "b".repeat(64), once: true };

const KEY = "user-1\u001fauth0";
const OF_PERSON: ReservationRequest = {
  ...MINIMAL,
  id: id(21),
  limits: { pendingPerCreator: 4 },
  creator: KEY,
  idempotency: { key: '["person","auth0","user-1","h"]', fingerprint: "c".repeat(64), once: false },
  answerSeconds: 15,
};
const LABELLED: ReservationRequest = { ...MINIMAL, id: id(22), creator: "u_2", label: "a/u_2", answerSeconds: 15 };

const READY: StreamVideo = {
  report: { kind: "ready", uid: uid(1), seconds: 12.5, bytes: 900 },
  tag: { tenant: TENANT, uploadId: id(1) },
  creator: "u_1",
  created: T,
  expires: T + 1800,
  maxDurationSeconds: 60,
  json: {
    uid: uid(1),
    status: { state: "ready" },
    duration: 12.5,
    size: 900,
    meta: { sluice: `${TENANT}/${id(1)}` },
  },
};
const PENDING: StreamVideo = {
  report: { kind: "pending", uid: uid(7) },
  tag: { tenant: TENANT, uploadId: id(7) },
  created: T,
  expires: T + 1800,
  maxDurationSeconds: 30,
  json: { uid: uid(7), status: { state: "pendingupload" } },
};
const FAILED: StreamVideo = {
  report: { kind: "failed", uid: uid(4), reason: "ERR_NON_VIDEO" },
  tag: { tenant: TENANT, uploadId: id(4) },
  json: { uid: uid(4), status: { state: "error" } },
};

const EDIT: EditStart = { id: id(23), version: 3, limits: { storedSeconds: 36_000 }, seconds: 90 };
const EDITED: StreamVideo = {
  report: { kind: "pending", uid: uid(6) },
  creator: "label",
  created: T,
  expires: T + 3600,
  maxDurationSeconds: 90,
  json: {
    uid: uid(6),
    status: { state: "pendingupload" },
    creator: "label",
    meta: { name: "new", project: "p1" },
    modified: "2040-12-25T11:33:20.000Z",
  },
};

const stored = { bytes: 1000, seconds: 60, created: T, expires: T + 1800, upstream: "default", rounds: 0 };
const EDITED_UPLOAD: UploadRecord = {
  ...stored,
  rounds: 1,
  id: id(23),
  state: "issued",
  uid: uid(6),
  seconds: 90,
  expires: T + 3600,
  name: "new",
  meta: { project: "p1" },
  creator: "label",
  person: { namespace: "tenant", subject: "u_3" },
  deletionRequested: false,
  deletionPending: false,
  video: EDITED.json,
};
const READY_UPLOAD: UploadRecord = {
  ...stored,
  id: id(1),
  state: "ready",
  uid: uid(1),
  creator: "u_1",
  person: { namespace: "tenant", subject: "u_1" },
  bytes: 900,
  seconds: 12.5,
  deletionRequested: false,
  deletionPending: false,
  video: READY.json,
};
const FAILED_UPLOAD: UploadRecord = {
  ...stored,
  id: id(4),
  state: "failed",
  uid: uid(4),
  failure: "ERR_NON_VIDEO",
  deletionRequested: false,
  deletionPending: false,
  video: FAILED.json,
};
const CANCELLED_UPLOAD: UploadRecord = {
  ...stored,
  id: id(5),
  state: "cancelled",
  uid: uid(5),
  deletionRequested: true,
  deletionPending: false,
};

const RESERVED = { ...stored, state: "reserved", deletionRequested: false, deletionPending: false } as const;
const PERSONS_UPLOAD: UploadRecord = {
  ...RESERVED,
  id: id(21),
  creator: "user-1",
  person: { namespace: "auth0", subject: "user-1" },
  idempotencyKey: "h",
};
const LABELLED_UPLOAD: UploadRecord = {
  ...RESERVED,
  id: id(22),
  creator: "a/u_2",
  person: { namespace: "tenant", subject: "u_2" },
};

const at = T * 1000;
const ATTEMPTS: readonly DeliveryAttempt[] = [
  { endpoint: "main", at, outcome: "failed", status: 500, milliseconds: 12 },
  { endpoint: "main", at: at + 1, outcome: "failed", reason: "no answer within 10 s", milliseconds: 10_000 },
  { endpoint: "main", at: at + 2, outcome: "delivered", status: 204, milliseconds: 3 },
  { endpoint: "other", at: at + 3, outcome: "exhausted", reason: "it was tried often enough" },
  { endpoint: "other", at: at + 4, outcome: "skipped", reason: "the endpoint is disabled" },
  { endpoint: "gone", at: at + 5, outcome: "skipped", reason: "the endpoint was deleted" },
];
const attempt = (index: number) => (ledgers: Ledgers) =>
  ledgers.recordAttempt(TENANT, EVENT, ATTEMPTS[index] ?? expect.unreachable());

const refused = (code: string, more: object = {}) => ({
  kind: "refused",
  problem: { code, detail: expect.any(String), ...more },
});
const window = (start: number) => ({ start, uploads: 3, bytes: 900, seconds: 12.5 });

/** By the name of the golden call: what the core calls, and what it gets. */
const CASES: readonly [name: string, call: (ledgers: Ledgers) => Promise<unknown>, result: unknown][] = [
  ["tenant version", (ledgers) => ledgers.syncTenantVersion(TENANT, 3, true), undefined],
  [
    "reservation with all fields",
    (ledgers) => ledgers.reserve(TENANT, FULL),
    { kind: "reserved", rate: { allowed: 30, remaining: 29, resetSeconds: 60 } },
  ],
  [
    "same creation in progress",
    (ledgers) => ledgers.reserve(TENANT, { ...FULL, id: id(11) }),
    refused("creation_in_progress", { retryAfterSeconds: 1 }),
  ],
  ["upload URL", (ledgers) => ledgers.attach(TENANT, id(1), uid(1), URL), ok(undefined)],
  [
    "replayed creation",
    (ledgers) => ledgers.reserve(TENANT, { ...FULL, id: id(12) }),
    { kind: "replayed", id: id(1), uid: uid(1), location: URL, expires: T + 1800 },
  ],
  [
    "reused idempotency key",
    (ledgers) => ledgers.reserve(TENANT, { ...MINIMAL, id: id(13), idempotency: SINGLE_USE }),
    refused("idempotency_key_reused"),
  ],
  [
    "stale reservation",
    (ledgers) => ledgers.reserve(TENANT, { ...MINIMAL, id: id(14), version: 2 }),
    { kind: "stale" },
  ],
  ["reservation with required fields only", (ledgers) => ledgers.reserve(TENANT, MINIMAL), { kind: "reserved" }],
  [
    "limit exceeded",
    (ledgers) =>
      ledgers.reserve(TENANT, {
        ...MINIMAL,
        id: id(15),
        limits: { rate: { tenant: 60 }, quota: { day: { bytes: 2500 } } },
      }),
    refused("limit_exceeded", {
      limit: { name: "quota.day.bytes", used: 2000, allowed: 2500 },
      retryAfterSeconds: 6400,
      rate: { allowed: 60, remaining: 58, resetSeconds: 60 },
    }),
  ],
  ["release after a rejection", (ledgers) => ledgers.release(TENANT, id(2), "refused"), undefined],
  ["release of an unsent creation", (ledgers) => ledgers.release(TENANT, id(3), "unsent"), undefined],
  [
    "upload URL of a released reservation",
    (ledgers) => ledgers.attach(TENANT, id(3), uid(3), `https://upload.cloudflarestream.com/${uid(3)}`),
    { ok: false, problem: { code: "upload_cancelled", detail: expect.any(String) } },
  ],
  ["unknown outcome", (ledgers) => ledgers.markUnknown(TENANT, id(4)), undefined],
  ["orphaned video", (ledgers) => ledgers.cancelOrphaned(TENANT, id(5), uid(5)), undefined],
  ["ready video", (ledgers) => ledgers.record(TENANT, "default", READY), ok(true)],
  ["failed video", (ledgers) => ledgers.record(TENANT, "default", FAILED), ok(true)],
  ["video of another upstream", (ledgers) => ledgers.record(TENANT, "other", READY), ok(false)],
  ["ready upload", (ledgers) => ledgers.find(TENANT, id(1)), ok(READY_UPLOAD)],
  ["failed upload by uid", (ledgers) => ledgers.find(TENANT, uid(4)), ok(FAILED_UPLOAD)],
  ["cancelled upload", (ledgers) => ledgers.find(TENANT, id(5)), ok(CANCELLED_UPLOAD)],
  ["no upload", (ledgers) => ledgers.find(TENANT, "none"), ok(undefined)],
  [
    "first page of uploads",
    (ledgers) => ledgers.list(TENANT, { limit: 2 }),
    ok({ uploads: [CANCELLED_UPLOAD, FAILED_UPLOAD], cursor: id(4) }),
  ],
  [
    "filtered page of uploads",
    (ledgers) =>
      ledgers.list(TENANT, { state: "failed", from: T - 60, to: T + 60, ascending: true, cursor: id(1), limit: 2 }),
    ok({ uploads: [FAILED_UPLOAD] }),
  ],
  ["storage of a creator", (ledgers) => ledgers.storage(TENANT, { creator: "u_1" }), ok({ seconds: 12.5, videos: 1 })],
  ["storage of the tenant", (ledgers) => ledgers.storage(TENANT, {}), ok({ seconds: 12.5, videos: 1 })],
  [
    "usage",
    (ledgers) => ledgers.usage(TENANT),
    ok({ pending: 0, videos: 1, storedSeconds: 12.5, day: window(2_239_920_000), month: window(2_237_932_800) }),
  ],
  [
    "comparison",
    (ledgers) => ledgers.reconcile(TENANT, "default", { from: T - 60, to: T + 60, videos: [READY, PENDING] }),
    ok({ settled: 0, imported: 1, missing: 0 }),
  ],
  [
    "imported upload",
    (ledgers) => ledgers.find(TENANT, id(7)),
    ok({
      ...stored,
      id: id(7),
      state: "issued",
      uid: uid(7),
      bytes: 0,
      seconds: 30,
      rounds: 1,
      deletionRequested: false,
      deletionPending: false,
      video: PENDING.json,
    }),
  ],
  ["stale cancellation", (ledgers) => ledgers.cancel(TENANT, id(1), 2), ok("stale")],
  [
    "cancellation",
    (ledgers) => ledgers.cancel(TENANT, id(1), 3),
    ok({ ...READY_UPLOAD, state: "deleted", deletionRequested: true }),
  ],
  ["cancellation of no upload", (ledgers) => ledgers.cancel(TENANT, "none", 3), ok(undefined)],
  ["deleted video", (ledgers) => ledgers.confirmVideoDeleted(TENANT, id(1)), undefined],
  [
    "newest events",
    (ledgers) => ledgers.events(TENANT, { limit: 2 }),
    ok({
      events: [
        { id: "evt_golden_5", body: expect.objectContaining({ type: "upload.deleted" }) },
        { id: "evt_golden_4", body: expect.objectContaining({ type: "upload.created" }) },
      ],
      cursor: "evt_golden_4",
    }),
  ],
  [
    "next page of events",
    (ledgers) => ledgers.events(TENANT, { limit: 2, cursor: "evt_golden_5" }),
    ok({ events: [expect.anything(), expect.anything()], cursor: "evt_golden_3" }),
  ],
  ["failed attempt", attempt(0), undefined],
  ["attempt without an answer", attempt(1), undefined],
  ["delivered attempt", attempt(2), undefined],
  ["exhausted attempt", attempt(3), undefined],
  ["skipped attempt, endpoint disabled", attempt(4), undefined],
  ["skipped attempt, endpoint deleted", attempt(5), undefined],
  [
    "event with attempts",
    (ledgers) => ledgers.event(TENANT, EVENT),
    ok({ id: EVENT, body: expect.objectContaining({ type: "upload.created" }), attempts: ATTEMPTS }),
  ],
  ["reservation of a person", (ledgers) => ledgers.reserve(TENANT, OF_PERSON), { kind: "reserved" }],
  ["reservation with a label", (ledgers) => ledgers.reserve(TENANT, LABELLED), { kind: "reserved" }],
  ["upload of a person", (ledgers) => ledgers.find(TENANT, id(21)), ok(PERSONS_UPLOAD)],
  [
    "uploads of a person",
    (ledgers) => ledgers.list(TENANT, { limit: 2, creator: KEY }),
    ok({ uploads: [PERSONS_UPLOAD] }),
  ],
  [
    "uploads of a subject or label",
    (ledgers) => ledgers.list(TENANT, { limit: 2, creator: "a/u_2", orLabel: true }),
    ok({ uploads: [LABELLED_UPLOAD] }),
  ],
  [
    "uploads of a person with a label",
    (ledgers) => ledgers.list(TENANT, { limit: 2, creator: KEY, label: "x" }),
    ok({ uploads: [] }),
  ],
  [
    "usage of a person",
    (ledgers) => ledgers.usageOfCreator(TENANT, { creator: KEY }),
    ok({ pending: 1, videos: 0, storedSeconds: 60 }),
  ],
  [
    "usage of a subject or label",
    (ledgers) => ledgers.usageOfCreator(TENANT, { creator: "user-1", orLabel: true }),
    ok({ pending: 1, videos: 0, storedSeconds: 60 }),
  ],
  [
    "storage of a person with a label",
    (ledgers) => ledgers.storage(TENANT, { creator: KEY, label: "x" }),
    ok({ seconds: 0, videos: 0 }),
  ],
  ["begin of an edit", (ledgers) => ledgers.beginEdit(TENANT, EDIT), ok({ kind: "begun", seconds: 60 })],
  [
    "begin of an edit beside another",
    (ledgers) => ledgers.beginEdit(TENANT, { id: id(23), version: 3, limits: {} }),
    ok({ kind: "refused", problem: EDIT_IN_PROGRESS }),
  ],
  [
    "end of an edit",
    (ledgers) => ledgers.endEdit(TENANT, id(23), { video: EDITED, seconds: 90, expires: T + 3600 }),
    ok(EDITED_UPLOAD),
  ],
  ["lost end of an edit", (ledgers) => ledgers.endEdit(TENANT, id(99), {}), ok(undefined)],
  ["no event", (ledgers) => ledgers.event(TENANT, "evt_golden_99"), ok(undefined)],
];

describe("createLedgers, answered by an older object", () => {
  it.each(CASES)("sends the same arguments and reads the answer: %s", async (name, call, result) => {
    const golden = LEDGER_CALLS.find((one) => one.name === name);
    const sent: { method: string; arguments: unknown[] }[] = [];
    const namespace = objectAnswering(golden?.answer, sent) as Env["LEDGER"];
    expect(await call(createLedgers(namespace))).toEqual(result);
    expect(sent).toEqual([{ method: golden?.method, arguments: golden?.arguments }]);
  });

  it("covers every method of the golden calls", () => {
    const covered = LEDGER_CALLS.filter(({ name }) => CASES.some(([one]) => one === name));
    const methods = (calls: typeof LEDGER_CALLS) => new Set(calls.map(({ method }) => method));
    expect(methods(covered)).toEqual(methods(LEDGER_CALLS));
  });
});
