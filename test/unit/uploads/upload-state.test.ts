import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyToTotals, emptyTotals } from "../../../src/core/quota/rules/usage-totals.ts";
import {
  UPLOAD_STATES,
  type UploadTransition,
  type UploadProgress,
  type UploadState,
  applyTransition,
  decideDueAction,
  isLive,
} from "../../../src/core/uploads/rules/upload-state.ts";
import { UPLOAD_EVENT_TYPES, uploadEvent } from "../../../src/core/webhooks/rules/upload-event.ts";

const uid = "0123456789abcdef0123456789abcdef";
const TRANSITIONS = {
  issued: { kind: "issued", uid },
  lost: { kind: "lost" },
  expired: { kind: "expired" },
  cancelled: { kind: "cancelled" },
  superseded: { kind: "superseded" },
  unreachable: { kind: "unreachable", uid },
  absent: { kind: "reported", report: { kind: "absent" } },
  pending: { kind: "reported", report: { kind: "pending", uid } },
  processing: { kind: "reported", report: { kind: "processing", uid } },
  ready: { kind: "reported", report: { kind: "ready", uid, seconds: 12.5, bytes: 900 } },
  failed: { kind: "reported", report: { kind: "failed", uid, reason: "ERR_NON_VIDEO" } },
  restored: { kind: "restored", report: { kind: "ready", uid, seconds: 12.5, bytes: 900 } },
} as const satisfies Record<string, UploadTransition>;
type TransitionName = keyof typeof TRANSITIONS;

/** Partial measurements of one video: Stream does not always report all. */
const MEASUREMENTS = {
  unmeasured: { kind: "reported", report: { kind: "ready", uid } },
  "seconds only": { kind: "reported", report: { kind: "ready", uid, seconds: 12.25 } },
  "bytes only": { kind: "reported", report: { kind: "ready", uid, bytes: 901 } },
} as const satisfies Record<string, UploadTransition>;
const ALL = { ...TRANSITIONS, ...MEASUREMENTS };

const COLUMNS: readonly TransitionName[] = [
  "issued",
  "lost",
  "expired",
  "cancelled",
  "superseded",
  "unreachable",
  "absent",
  "pending",
  "processing",
  "ready",
  "failed",
  "restored",
];
const start: UploadProgress = {
  state: "reserved",
  bytes: 1_000,
  seconds: 600,
  deletionRequested: false,
  lost: false,
  rounds: 0,
  measured: { bytes: false, seconds: false },
};
/** For every state and transition, in the order of the columns above: the next state. */
const TABLE: Readonly<Record<UploadState, string>> = {
  reserved: "issued unknown expired cancelled cancelled cancelled expired reserved reserved ready failed ready",
  unknown:
    "unknown unknown expired cancelled cancelled cancelled expired cancelled cancelled cancelled cancelled cancelled",
  issued: "issued issued expired cancelled cancelled cancelled expired issued issued ready failed ready",
  expired: "expired expired expired cancelled cancelled cancelled expired expired expired ready failed ready",
  failed: "failed failed failed cancelled cancelled cancelled failed failed failed ready failed ready",
  ready: "ready ready ready deleted deleted deleted deleted ready ready ready ready ready",
  cancelled:
    "cancelled cancelled cancelled cancelled cancelled cancelled cancelled cancelled cancelled deleted cancelled deleted",
  deleted: "deleted deleted deleted deleted deleted deleted deleted deleted deleted deleted deleted ready",
};

/** Without those whose order matters: how the creation ended, and what Stream sends no notification for. */
const ORDERED: ReadonlySet<string> = new Set(["issued", "lost", "absent", "restored"]);
const LOSING: ReadonlySet<string> = new Set(["superseded", "unreachable"]);
const NOTIFIED = (Object.keys(ALL) as (keyof typeof ALL)[]).filter((name) => !ORDERED.has(name));
const events = fc.array(fc.constantFrom(...NOTIFIED), { maxLength: 12 });
const after = (names: readonly (keyof typeof ALL)[], upload = start) =>
  names.reduce((before, name) => applyTransition(before, ALL[name]), upload);

describe("applyTransition", () => {
  const cases = UPLOAD_STATES.flatMap((state) =>
    TABLE[state].split(" ").map((after, column) => [state, COLUMNS[column] ?? "lost", after] as const),
  );
  it("covers every transition in every state", () => {
    expect(cases).toHaveLength(UPLOAD_STATES.length * COLUMNS.length);
  });
  it.each(cases)("%s, %s: %s", (state, event, after) => {
    expect(applyTransition({ ...start, state, lost: state === "unknown" }, TRANSITIONS[event]).state).toBe(after);
  });
});

describe("applyTransition of a Stream report", () => {
  const reserved: UploadProgress = { ...start, state: "issued", uid };

  it("replaces the reservation by the measured size", () => {
    expect(applyTransition(reserved, TRANSITIONS.ready)).toEqual({
      ...reserved,
      state: "ready",
      bytes: 900,
      seconds: 12.5,
      measured: { bytes: true, seconds: true },
    });
  });

  it("keeps the reserved size when Stream does not report it", () => {
    const report = { kind: "ready", uid, seconds: 1 } as const;
    expect(applyTransition(reserved, { kind: "reported", report })).toMatchObject({ bytes: 1_000, seconds: 1 });
    const unmeasured = { kind: "ready", uid } as const;
    expect(applyTransition(reserved, { kind: "reported", report: unmeasured })).toMatchObject({
      bytes: 1_000,
      seconds: 600,
    });
  });

  it("tracks bytes and seconds separately, and keeps the larger of two measurements", () => {
    const measured = { bytes: 901, seconds: 12.5 };
    expect(after(["unmeasured", "ready", "bytes only", "seconds only"])).toMatchObject(measured);
    expect(after(["bytes only", "seconds only", "ready", "unmeasured"])).toMatchObject(measured);
    expect(after(["cancelled", "bytes only"])).toMatchObject({ bytes: 901, seconds: 600 });
  });

  it("keeps the reason of a failure until the video is ready", () => {
    const failed = applyTransition(reserved, TRANSITIONS.failed);
    expect(failed).toMatchObject({ state: "failed", failure: "ERR_NON_VIDEO" });
    expect(applyTransition(failed, TRANSITIONS.ready)).not.toHaveProperty("failure");
  });

  it("sets the uid of an upload in progress, and never replaces it", () => {
    const { uid: _, ...inProgress } = { ...reserved, state: "reserved" as const };
    expect(applyTransition(inProgress, TRANSITIONS.pending)).toMatchObject({ state: "reserved", uid });
    const other = { kind: "reported", report: { kind: "pending", uid: "f".repeat(32) } } as const;
    expect(applyTransition(reserved, other)).toMatchObject({ uid });
  });
});

describe("applyTransition in sequence", () => {
  it("requests the deletion of a video that no client can reach", () => {
    const unreachable = { state: "cancelled", deletionRequested: true, lost: true, uid };
    expect(after(["unreachable"])).toMatchObject(unreachable);
    expect(after(["cancelled", "unreachable"])).toMatchObject(unreachable);
    expect(after(["lost", "superseded", "unreachable"])).toMatchObject(unreachable);
  });

  it("deletes the video of a lost creation, whatever Stream reports of it", () => {
    for (const report of ["pending", "processing", "ready", "failed"] as const)
      for (const before of [["lost"], ["lost", "expired"], ["lost", "superseded"], ["unreachable"]] as const)
        expect(after([...before, report, "ready"])).toMatchObject({ state: "cancelled", deletionRequested: true, uid });
  });

  it("counts lost creations that have ended for nothing, and all others", () => {
    const uploads = (names: readonly (keyof typeof ALL)[]) =>
      applyToTotals(emptyTotals(0), undefined, { ...after(names), created: 0 }).day.uploads;
    expect(uploads(["lost"])).toBe(1);
    expect(uploads(["lost", "expired"])).toBe(0);
    expect(uploads(["lost", "superseded"])).toBe(0);
    expect(uploads(["unreachable"])).toBe(0);
    expect(uploads(["issued", "lost", "expired"])).toBe(1);
    expect(uploads(["issued", "cancelled"])).toBe(1);
    expect(uploads(["lost", "expired", "ready"])).toBe(0);
  });

  it("ends in the same state and totals for any order and repetition of the same transitions", () => {
    const shuffled = events.chain((names) =>
      fc.tuple(fc.constant(names), fc.shuffledSubarray([...names, ...names], { minLength: names.length })),
    );
    fc.assert(
      fc.property(shuffled, fc.constantFrom("issued", "lost", undefined), ([names, again], creation) => {
        const created = after(creation ? [creation] : []);
        // Only of a lost creation no client has the URL.
        const possible = (all: typeof names) => (creation === "lost" ? all : all.filter((name) => !LOSING.has(name)));
        const [one, other] = [after(possible(names), created), after(possible([...again, ...names]), created)];
        expect(other).toEqual(one);
        const total = (upload: UploadProgress) => applyToTotals(emptyTotals(0), undefined, { ...upload, created: 0 });
        expect(total(other)).toEqual(total(one));
      }),
      { numRuns: 1_000 },
    );
  });

  it("never moves back unless the video is restored, and produces each event once with increasing sequence numbers", () => {
    const names = fc.array(fc.constantFrom(...COLUMNS), { maxLength: 12 });
    fc.assert(
      fc.property(names, (sequence) => {
        let upload = start;
        const sequences: number[] = [];
        for (const name of sequence) {
          const next = applyTransition(upload, TRANSITIONS[name]);
          if (next.rounds === upload.rounds)
            expect(UPLOAD_STATES.indexOf(next.state)).toBeGreaterThanOrEqual(UPLOAD_STATES.indexOf(upload.state));
          if (next.state !== upload.state) {
            const event = uploadEvent("acme", { id: "1", created: 0, expires: 0, ...next }, 0);
            if (event) sequences.push(event.data.sequence);
          }
          upload = next;
        }
        expect(sequences).toEqual([...new Set(sequences)].toSorted((a, b) => a - b));
      }),
    );
  });

  it("stays deleted after a deletion request, whatever Stream reports", () => {
    expect(after(["ready", "absent", "restored"])).toMatchObject({
      state: "ready",
      deletionRequested: false,
      rounds: 1,
    });
    expect(after(["ready", "cancelled", "restored"])).toMatchObject({
      state: "deleted",
      deletionRequested: true,
      rounds: 0,
    });
    expect(after(["ready", "absent", "cancelled", "restored"])).toMatchObject({
      state: "deleted",
      deletionRequested: true,
    });
  });
});

describe("decideDueAction", () => {
  it.each([
    ["pending", "dead", "delete", "delete"],
    ["pending", "dead", "keep", "expire"],
    ["pending", "alive", "delete", "wait"],
    ["processing", "dead", "delete", "wait"],
    ["ready", "dead", "delete", "settle"],
    ["failed", "dead", "delete", "settle"],
  ] as const)("video %s, URL %s, unfinishedUploads %s: %s", (kind, url, unfinished, action) => {
    expect(decideDueAction({ kind, uid, seconds: 1 }, url === "dead", unfinished)).toBe(action);
  });
});

describe("isLive", () => {
  it("includes the states in which the URL is, or may be, alive", () => {
    expect(UPLOAD_STATES.filter(isLive)).toEqual(["reserved", "unknown", "issued"]);
  });
});

describe("uploadEvent", () => {
  it("describes the upload in the tenant's terms", () => {
    const size = { bytes: 900, seconds: 12.5 };
    const upload = {
      id: "u",
      state: "ready" as const,
      uid,
      created: 0,
      expires: 1_800,
      rounds: 0,
      ...size,
    };
    expect(uploadEvent("acme", upload, 60)).toEqual({
      type: "upload.ready",
      version: 1,
      timestamp: "1970-01-01T00:01:00.000Z",
      data: {
        tenant: "acme",
        sequence: 4,
        upload: {
          id: "u",
          state: "ready",
          uid,
          bytes: 900,
          seconds: 12.5,
          createdAt: "1970-01-01T00:00:00.000Z",
          expiresAt: "1970-01-01T00:30:00.000Z",
        },
      },
    });
    expect(UPLOAD_EVENT_TYPES).toContain("upload.cancelled");
  });
});
