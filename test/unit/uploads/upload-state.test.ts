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
const EVENTS = {
  issued: { kind: "issued", uid },
  lost: { kind: "lost" },
  expired: { kind: "expired" },
  cancelled: { kind: "cancelled" },
  absent: { kind: "reported", report: { kind: "absent" } },
  pending: { kind: "reported", report: { kind: "pending", uid } },
  processing: { kind: "reported", report: { kind: "processing", uid } },
  ready: { kind: "reported", report: { kind: "ready", uid, seconds: 12.5, bytes: 900 } },
  failed: { kind: "reported", report: { kind: "failed", uid, reason: "ERR_NON_VIDEO" } },
  restored: { kind: "restored", report: { kind: "ready", uid, seconds: 12.5, bytes: 900 } },
} as const satisfies Record<string, UploadTransition>;
type EventName = keyof typeof EVENTS;

/** Of one video: Stream does not always say all that it has measured. */
const MEASUREMENTS = {
  unmeasured: { kind: "reported", report: { kind: "ready", uid } },
  "seconds only": { kind: "reported", report: { kind: "ready", uid, seconds: 12.25 } },
  "bytes only": { kind: "reported", report: { kind: "ready", uid, bytes: 901 } },
} as const satisfies Record<string, UploadTransition>;
/** Nobody was given the URL of the video that was made. */
const DISCARDED = { discarded: { kind: "cancelled", uid } } as const satisfies Record<string, UploadTransition>;
const ALL = { ...EVENTS, ...MEASUREMENTS, ...DISCARDED };

const COLUMNS: readonly EventName[] = [
  "issued",
  "lost",
  "expired",
  "cancelled",
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
  restoredCount: 0,
  measured: { bytes: false, seconds: false },
};
/** For every state and every event, in the order of the columns above: the state that comes after. */
const TABLE: Readonly<Record<UploadState, string>> = {
  reserved: "issued unknown expired cancelled expired reserved reserved ready failed ready",
  unknown: "issued unknown expired cancelled expired unknown unknown ready failed ready",
  issued: "issued issued expired cancelled expired issued issued ready failed ready",
  expired: "expired expired expired cancelled expired expired expired ready failed ready",
  failed: "failed failed failed cancelled failed failed failed ready failed ready",
  ready: "ready ready ready deleted deleted ready ready ready ready ready",
  cancelled: "cancelled cancelled cancelled cancelled cancelled cancelled cancelled deleted cancelled deleted",
  deleted: "deleted deleted deleted deleted deleted deleted deleted deleted deleted ready",
};

describe("the life of an upload", () => {
  const cases = UPLOAD_STATES.flatMap((state) =>
    TABLE[state].split(" ").map((after, column) => [state, COLUMNS[column] ?? "lost", after] as const),
  );
  it("has an answer to every event in every state", () => {
    expect(cases).toHaveLength(UPLOAD_STATES.length * COLUMNS.length);
  });
  it.each(cases)("%s, %s: %s", (state, event, after) => {
    expect(applyTransition({ ...start, state }, EVENTS[event]).state).toBe(after);
  });
});

describe("what Stream says", () => {
  const reserved: UploadProgress = { ...start, state: "issued", uid };

  it("replaces what was reserved by what is real", () => {
    expect(applyTransition(reserved, EVENTS.ready)).toEqual({
      ...reserved,
      state: "ready",
      bytes: 900,
      seconds: 12.5,
      measured: { bytes: true, seconds: true },
    });
  });

  it("keeps the size where Stream does not say it", () => {
    const report = { kind: "ready", uid, seconds: 1 } as const;
    expect(applyTransition(reserved, { kind: "reported", report })).toMatchObject({ bytes: 1_000, seconds: 1 });
    const unmeasured = { kind: "ready", uid } as const;
    expect(applyTransition(reserved, { kind: "reported", report: unmeasured })).toMatchObject({
      bytes: 1_000,
      seconds: 600,
    });
  });

  it("measures bytes and seconds each by itself, and counts the larger of two measurements", () => {
    const measured = { bytes: 901, seconds: 12.5 };
    expect(after(["unmeasured", "ready", "bytes only", "seconds only"])).toMatchObject(measured);
    expect(after(["bytes only", "seconds only", "ready", "unmeasured"])).toMatchObject(measured);
    expect(after(["cancelled", "bytes only"])).toMatchObject({ bytes: 901, seconds: 600 });
  });

  it("tells why a video failed, until it is ready after all", () => {
    const failed = applyTransition(reserved, EVENTS.failed);
    expect(failed).toMatchObject({ state: "failed", failure: "ERR_NON_VIDEO" });
    expect(applyTransition(failed, EVENTS.ready)).not.toHaveProperty("failure");
  });

  it("brings the video's identifier to an upload whose answer was lost, and never another one", () => {
    const { uid: _, ...lost } = { ...reserved, state: "unknown" as const };
    expect(applyTransition(lost, EVENTS.pending)).toMatchObject({ state: "unknown", uid });
    const other = { kind: "reported", report: { kind: "pending", uid: "f".repeat(32) } } as const;
    expect(applyTransition(reserved, other)).toMatchObject({ uid });
  });
});

it("is cancelled where nobody was given its URL, and its video has to go", () => {
  expect(after(["discarded"])).toMatchObject({ state: "cancelled", deletionRequested: true, uid });
  expect(after(["cancelled", "discarded"])).toMatchObject({ state: "cancelled", deletionRequested: true, uid });
});

/** Absence and return are no events of Stream's, but what it answers when it is asked: of that, the order counts. */
const TOLD = (Object.keys(ALL) as (keyof typeof ALL)[]).filter((name) => name !== "absent" && name !== "restored");
const events = fc.array(fc.constantFrom(...TOLD), { maxLength: 12 });
const after = (names: readonly (keyof typeof ALL)[]) =>
  names.reduce((upload, name) => applyTransition(upload, ALL[name]), start);

it("ends the same, in state and counters, in whatever order and however often the same events come", () => {
  const shuffled = events.chain((names) =>
    fc.tuple(fc.constant(names), fc.shuffledSubarray([...names, ...names], { minLength: names.length })),
  );
  fc.assert(
    fc.property(shuffled, ([names, again]) => {
      const [one, other] = [after(names), after([...again, ...names])];
      expect(other).toEqual(one);
      const total = (upload: UploadProgress) => applyToTotals(emptyTotals(0), undefined, { ...upload, created: 0 });
      expect(total(other)).toEqual(total(one));
    }),
    { numRuns: 1_000 },
  );
});

it("never goes back, unless its video is there again, and tells of each state once, with growing numbers", () => {
  const names = fc.array(fc.constantFrom(...COLUMNS), { maxLength: 12 });
  fc.assert(
    fc.property(names, (sequence) => {
      let upload = start;
      const told: number[] = [];
      for (const name of sequence) {
        const next = applyTransition(upload, EVENTS[name]);
        if (next.restoredCount === upload.restoredCount)
          expect(UPLOAD_STATES.indexOf(next.state)).toBeGreaterThanOrEqual(UPLOAD_STATES.indexOf(upload.state));
        if (next.state !== upload.state) {
          const event = uploadEvent("acme", { id: "1", created: 0, expires: 0, ...next }, 0);
          if (event) told.push(event.data.sequence);
        }
        upload = next;
      }
      expect(told).toEqual([...new Set(told)].toSorted((a, b) => a - b));
    }),
  );
});

it.each([
  ["wanted", "pending", "dead", "delete", "delete"],
  ["wanted", "pending", "dead", "keep", "expire"],
  ["wanted", "pending", "alive", "delete", "wait"],
  ["wanted", "processing", "dead", "delete", "wait"],
  ["wanted", "ready", "dead", "delete", "settle"],
  ["wanted", "failed", "dead", "delete", "settle"],
  ["unwanted", "pending", "alive", "keep", "delete"],
  ["unwanted", "processing", "alive", "keep", "delete"],
  ["unwanted", "ready", "dead", "keep", "delete"],
] as const)(
  "of one that is %s, whose video is %s and whose URL is %s (%s): %s",
  (wanted, kind, url, abandoned, step) => {
    expect(decideDueAction(wanted === "unwanted", { kind, uid, seconds: 1 }, url === "dead", abandoned)).toBe(step);
  },
);

it("stays deleted where its tenant wanted it so, whatever is seen of its video", () => {
  expect(after(["ready", "absent", "restored"])).toMatchObject({
    state: "ready",
    deletionRequested: false,
    restoredCount: 1,
  });
  expect(after(["ready", "cancelled", "restored"])).toMatchObject({
    state: "deleted",
    deletionRequested: true,
    restoredCount: 0,
  });
  expect(after(["ready", "absent", "cancelled", "restored"])).toMatchObject({
    state: "deleted",
    deletionRequested: true,
  });
});

it("holds a reservation while its URL is, or may be, alive", () => {
  expect(UPLOAD_STATES.filter(isLive)).toEqual(["reserved", "unknown", "issued"]);
});

it("tells tenants in terms of their uploads", () => {
  const size = { bytes: 900, seconds: 12.5 };
  const upload = { id: "u", state: "ready" as const, uid, created: 0, expires: 1_800, restoredCount: 0, ...size };
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
