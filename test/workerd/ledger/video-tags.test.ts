import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createVideoTags } from "../../../src/adapters/stream/video-tags.ts";
import { type RingKey, parseConfig } from "../../../src/config.ts";
import type { VideoPage } from "../../../src/core/reconciliation/rules/comparison.ts";
import type { StreamVideo } from "../../../src/core/stream/rules/video.ts";
import { parseTag } from "../../../src/core/stream/rules/video-tag.ts";
import {
  type LedgerStub,
  issueUpload,
  newLedger,
  newUid,
  now,
  reservationRequest,
  streamVideo,
  tagged,
} from "../support/ledger.ts";

/** What the tag of a video proves to a ledger. In the future, so that no alarm runs in these tests. */

const START = Date.UTC(2040, 5, 15, 12);
const MINUTES_10 = 600;

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: START }));
afterEach(() => void vi.useRealTimers());

type Tagger = (ledger: { readonly name: string }, uploadId: string) => Promise<Partial<StreamVideo>>;

const unsigned: Tagger = async ({ name }, uploadId) => ({ created: now(), tag: { tenant: name, uploadId } });
const wronglySigned: Tagger = async ({ name }, uploadId) => ({
  created: now(),
  tag: { tenant: name, uploadId, mac: "A".repeat(16) },
});
/** The mac of the same id under another tenant. */
const ofAnotherTenant: Tagger = async ({ name }, uploadId) => {
  const { tag } = await tagged({ name: "other" }, uploadId);
  return { created: now(), tag: { tenant: name, uploadId, ...(tag?.mac !== undefined && { mac: tag.mac }) } };
};
/** What a Worker of the version before could have claimed. */
const claimed: Tagger = async ({ name }, uploadId) => ({
  created: now(),
  tag: { tenant: name, uploadId, signed: true } as StreamVideo["tag"] & object,
});
/** Another upload's tag. */
const ofAnotherUpload: Tagger = async ({ name }, uploadId) => {
  const { tag } = await tagged({ name }, uuidv7());
  return { created: now(), tag: { tenant: name, uploadId, ...(tag?.mac !== undefined && { mac: tag.mac }) } };
};
/** Signed by the gateway when its ring had this first key. */
const signedBy =
  (key: RingKey): Tagger =>
  async ({ name }, uploadId) => {
    const tag = parseTag(await createVideoTags([key]).sign(name, uploadId));
    return { created: now(), ...(tag && { tag }) };
  };
const [FIRST_KEY, SECOND_KEY] = parseConfig(env).masterKeys;
const REMOVED_KEY = { ...FIRST_KEY, bytes: new Uint8Array(32).fill(9) };
const at =
  (distance: number, tagger: Tagger = tagged): Tagger =>
  async (ledger, uploadId) => ({ ...(await tagger(ledger, uploadId)), created: now() + distance });
const withoutTime: Tagger = async (ledger, uploadId) => {
  const { created: _, ...rest } = await tagged(ledger, uploadId);
  return rest;
};

const FORGED: readonly [string, Tagger][] = [
  ["unsigned", unsigned],
  ["wrongly signed", wronglySigned],
  ["signed, and names another tenant", (_, uploadId) => tagged({ name: "other" }, uploadId)],
  ["signed for another tenant", ofAnotherTenant],
  ["signed for another upload", ofAnotherUpload],
  ["signed by a key that was removed", signedBy(REMOVED_KEY)],
  ["signed as its sender says", claimed],
  ["of a video made 10 minutes and a second later", at(MINUTES_10 + 1)],
  ["of a video made 10 minutes and a second earlier", at(-MINUTES_10 - 1)],
  ["of a video without a time", withoutTime],
];
const PROOFS: readonly [string, Tagger][] = [
  ["of a video of the same second", tagged],
  ["by the first key", signedBy(FIRST_KEY)],
  ["by an older key of the ring", signedBy(SECOND_KEY ?? REMOVED_KEY)],
  ["of a video made 10 minutes later", at(MINUTES_10)],
  ["of a video made 10 minutes earlier", at(-MINUTES_10)],
];

const page = (...videos: StreamVideo[]): VideoPage => ({ from: now() - 2_000, to: now() + 2_000, videos });

/** An upload whose creation Stream has not answered, or whose answer was lost. */
async function uploadWithoutUid(ledger: LedgerStub, state: "reserved" | "unknown"): Promise<string> {
  const request = reservationRequest();
  await ledger.reserve(request);
  if (state === "unknown") await ledger.leaveUnknown(request.id);
  return request.id;
}

describe("a sweep", () => {
  it.each(FORGED)("imports no video whose tag is %s", async (_, tagger) => {
    const ledger = newLedger();
    const uid = newUid();
    const video = streamVideo(uid, "ready", await tagger(ledger, uuidv7()));
    expect(await ledger.compare("default", page(video))).toEqual({
      settled: 0,
      adopted: 0,
      missing: 0,
      unmanaged: [uid],
    });
    expect(await ledger.usage()).toMatchObject({ pending: 0, videos: 0, storedSeconds: 0 });
  });

  it.each(PROOFS)("imports a video with a signed tag %s", async (_, tagger) => {
    const ledger = newLedger();
    const [id, uid] = [uuidv7(), newUid()];
    const video = streamVideo(uid, "ready", await tagger(ledger, id));
    expect(await ledger.compare("default", page(video))).toMatchObject({ adopted: 1 });
    expect(await ledger.find(id)).toMatchObject({ state: "ready", uid });
  });

  it("imports nothing with a copied tag, whether the upload's own video is there or not", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    const copy = streamVideo(newUid(), "ready", await tagged(ledger, id));
    const own = streamVideo(uid, "pending", await tagged(ledger, id));
    for (const videos of [[copy, own], [own, copy], [copy]])
      expect(await ledger.compare("default", page(...videos))).toMatchObject({ settled: 0, adopted: 0 });
    expect(await ledger.find(id)).toMatchObject({ state: "issued", uid });
    expect(await ledger.usage()).toMatchObject({ pending: 1, videos: 0 });
  });
});

describe.each(["reserved", "unknown"] as const)("an upload that is %s, without a uid", (state) => {
  it.each(FORGED)("gets no video whose tag is %s", async (_, tagger) => {
    const ledger = newLedger();
    const id = await uploadWithoutUid(ledger, state);
    const video = streamVideo(newUid(), "ready", await tagger(ledger, id));
    expect(await ledger.record("default", video)).toBe(false);
    await ledger.recordSearch("default", page(video));
    expect(await ledger.compare("default", page(video))).toMatchObject({ settled: 0, adopted: 0 });
    const upload = await ledger.find(id);
    expect(upload).toMatchObject({ state });
    expect(upload).not.toHaveProperty("uid");
    expect(await ledger.find(video.report.uid)).toBeUndefined();
  });

  it.each(PROOFS)("gets the video of an event with a signed tag %s", async (_, tagger) => {
    const ledger = newLedger();
    const id = await uploadWithoutUid(ledger, state);
    const uid = newUid();
    expect(await ledger.record("default", streamVideo(uid, "ready", await tagger(ledger, id)))).toBe(true);
    expect(await ledger.find(uid)).toMatchObject({ id, state: state === "reserved" ? "ready" : "cancelled" });
  });
});

describe("an upload whose uid is known", () => {
  it.each([...FORGED, ...PROOFS])(
    "is settled by its uid, and by no other video, when the tag is %s",
    async (_, tagger) => {
      const ledger = newLedger();
      const { id, uid } = await issueUpload(ledger);
      const tag = await tagger(ledger, id);
      expect(await ledger.record("default", streamVideo(newUid(), "failed", tag))).toBe(false);
      expect(await ledger.record("default", streamVideo(uid, "ready", tag))).toBe(true);
      expect(await ledger.find(id)).toMatchObject({ state: "ready", uid });
    },
  );

  it("is settled by a video whose tag was edited", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    const other = await issueUpload(ledger);
    for (const tag of [await tagged({ name: "other" }, uuidv7()), await tagged(ledger, other.id)])
      expect(await ledger.record("default", streamVideo(uid, "ready", tag))).toBe(true);
    expect(await ledger.find(id)).toMatchObject({ state: "ready" });
    expect(await ledger.find(other.id)).toMatchObject({ state: "issued" });
  });
});

describe("an unsigned tag, after the step to this version", () => {
  /** As if the ledger made its step at a later time: `schema-migration.test.ts` tests the step itself. */
  async function upgrade(ledger: LedgerStub, secondsLater: number): Promise<void> {
    await ledger.learn(1, false);
    vi.setSystemTime(Date.now() + secondsLater * 1_000);
    await runInDurableObject(ledger, (_, { storage: { sql } }) => {
      sql.exec("UPDATE ledger SET signed_from = ?", now());
    });
    await evictDurableObject(ledger);
  }

  const hints: readonly [string, Tagger][] = [
    ["unsigned", unsigned],
    ["wrongly signed", wronglySigned],
    ["signed by a key that was removed", signedBy(REMOVED_KEY)],
  ];

  describe.each(hints)("that is %s", (_, tagger) => {
    it.each([
      [MINUTES_10, "cancelled"],
      [-MINUTES_10, "cancelled"],
      [MINUTES_10 + 1, "unknown"],
      [-MINUTES_10 - 1, "unknown"],
    ])("finds the lost video of an upload from before, made %d s after it: %s", async (distance, state) => {
      const ledger = newLedger();
      const id = await uploadWithoutUid(ledger, "unknown");
      const tag = await at(distance, tagger)(ledger, id);
      await upgrade(ledger, 1);
      await ledger.recordSearch("default", page(streamVideo(newUid(), "pending", tag)));
      expect(await ledger.find(id)).toMatchObject({ state });
    });

    it("leads the event of an upload from before, in flight at the deployment", async () => {
      const ledger = newLedger();
      const reserved = await uploadWithoutUid(ledger, "reserved");
      const issued = await issueUpload(ledger);
      const [early, late] = [await tagger(ledger, reserved), await tagger(ledger, issued.id)];
      await upgrade(ledger, 1);
      expect(await ledger.record("default", streamVideo(newUid(), "failed", early))).toBe(true);
      expect(await ledger.record("default", streamVideo(issued.uid, "ready", late))).toBe(true);
      expect(await ledger.find(reserved)).toMatchObject({ state: "failed" });
      expect(await ledger.find(issued.id)).toMatchObject({ state: "ready" });
    });

    it("is no proof for an upload from after the step", async () => {
      const ledger = newLedger();
      await issueUpload(ledger);
      await upgrade(ledger, 1);
      const id = await uploadWithoutUid(ledger, "unknown");
      expect(await ledger.record("default", streamVideo(newUid(), "ready", await tagger(ledger, id)))).toBe(false);
      expect(await ledger.find(id)).toMatchObject({ state: "unknown" });
    });

    it("imports nothing from before the step", async () => {
      const ledger = newLedger();
      await issueUpload(ledger);
      const video = streamVideo(newUid(), "ready", await tagger(ledger, uuidv7()));
      await upgrade(ledger, 1);
      expect(await ledger.compare("default", page(video))).toMatchObject({ adopted: 0 });
    });
  });

  it("is accepted as before after restarts and changes of the ledger", async () => {
    const ledger = newLedger();
    const id = await uploadWithoutUid(ledger, "unknown");
    const tag = await unsigned(ledger, id);
    await upgrade(ledger, 1);
    await ledger.learn(5, true);
    await evictDurableObject(ledger);
    expect(await ledger.record("default", streamVideo(newUid(), "pending", tag))).toBe(true);
  });

  it("brings no other video to an upload whose uid is known", async () => {
    const ledger = newLedger();
    const { id, uid } = await issueUpload(ledger);
    const tag = await unsigned(ledger, id);
    await upgrade(ledger, 1);
    expect(await ledger.record("default", streamVideo(newUid(), "ready", tag))).toBe(false);
    expect(await ledger.find(id)).toMatchObject({ state: "issued", uid });
  });
});
