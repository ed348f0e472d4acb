import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { lowerBoundAt } from "../../../src/core/uploads/rules/upload-id.ts";
import type { VideoFilter } from "../../../src/core/uploads/rules/upload-record.ts";
import { issueUpload, newLedger, newUid, now, reservationRequest, streamVideo, uidOf } from "../support/ledger.ts";

describe("TenantLedger.list", () => {
  it.each([
    ["newest", {}],
    ["oldest", { ascending: true }],
    ["newest of a state", { state: "issued" }],
    ["oldest of a state", { state: "issued", ascending: true }],
  ] as const)("returns the %s first, page by page", async (_, order) => {
    const ledger = newLedger();
    const issued: string[] = [];
    for (let index = 0; index < 5; index++)
      issued.push((await issueUpload(ledger, { creator: index % 2 ? "odd" : "even" })).id);
    const ids = "ascending" in order ? issued : issued.toReversed();
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await ledger.list({ limit: 2, ...order, ...(cursor !== undefined && { cursor }) });
      expect(page.uploads.length).toBeLessThanOrEqual(2);
      seen.push(...page.uploads.map(({ id }) => id));
      ({ cursor } = page);
    } while (cursor !== undefined);
    expect(seen).toEqual(ids);
  });

  it("filters by creator, state and time", async () => {
    const ledger = newLedger();
    const one = await issueUpload(ledger, { creator: "one" });
    const two = await issueUpload(ledger, { creator: "two" });
    await ledger.record("default", streamVideo(two.uid, "ready"));
    const list = async (query: object) => (await ledger.list({ limit: 10, ...query })).uploads.map(({ id }) => id);
    expect(await list({ creator: "one" })).toEqual([one.id]);
    expect(await list({ state: "ready" })).toEqual([two.id]);
    expect(await list({ state: "ready", creator: "one" })).toEqual([]);
    expect(await list({ from: now() - 60, to: now() + 60 })).toEqual([two.id, one.id]);
    expect(await list({ to: now() - 60 })).toEqual([]);
    expect(await list({ from: now() + 60 })).toEqual([]);
    expect(await ledger.storage("two")).toEqual({ seconds: 12, videos: 1 });
    expect(await ledger.storage(undefined)).toEqual({ seconds: 12, videos: 1 });
  });

  it("filters by uid and name, as created or as Stream described the video last", async () => {
    const ledger = newLedger();
    const cats = await issueUpload(ledger, { name: "Cats" });
    const dogs = await issueUpload(ledger, { name: "Dogs", creator: "one" });
    const renamed = await issueUpload(ledger, { name: "Birds" });
    const unnamed = await issueUpload(ledger);
    const json = { uid: renamed.uid, meta: { name: "Größe, CATS and birds" } };
    await ledger.record("default", streamVideo(renamed.uid, "ready", { json }));
    const list = async (video: VideoFilter, more: object = {}) =>
      (await ledger.listVideos({ limit: 10, video, ...more })).uploads.map(({ id }) => id);
    expect(await list({ uids: [unnamed.uid, cats.uid, newUid()] })).toEqual([unnamed.id, cats.id]);
    expect(await list({ uids: [unnamed.uid, cats.uid] }, { limit: 1, ascending: true })).toEqual([cats.id]);
    expect(await list({ uids: [cats.uid, dogs.uid] }, { creator: "one" })).toEqual([dogs.id]);
    expect(await list({ name: "Cats" })).toEqual([cats.id]);
    expect(await list({ name: "Birds" })).toEqual([]);
    expect(await list({ name: "Größe, CATS and birds" })).toEqual([renamed.id]);
    expect(await list({ names: ["Dogs", "cats", unnamed.uid] })).toEqual([unnamed.id, dogs.id]);
    expect(await list({ search: "cat" })).toEqual([renamed.id, cats.id]);
    expect(await list({ search: "größe" })).toEqual([renamed.id]);
    expect(await list({ search: "%" })).toEqual([]);
    expect(await list({ search: "cat", uids: [cats.uid] }, { state: "issued" })).toEqual([cats.id]);
    expect(await list({ search: "x".repeat(200) })).toEqual([]);
  });

  it.each([
    ["all", {}],
    ["of one state", { state: "reserved" }],
    ["of one creator, oldest first", { creator: "c", ascending: true }],
  ] as const)("filters by creation time when ids come from another clock: %s", async (_, query) => {
    const ledger = newLedger();
    const created = now();
    // From machines whose clocks are 30 s behind and ahead.
    const idOf = (second: number) => `${lowerBoundAt(second)}-7000-8000-${newUid().slice(-12)}`;
    const ids = [idOf(created - 30), idOf(created + 30)];
    vi.useFakeTimers({ toFake: ["Date"], now: created * 1_000 });
    for (const id of ids) await ledger.reserve(reservationRequest({ id, creator: "c" }));
    vi.useRealTimers();
    const listed = async (span: object) =>
      (await ledger.list({ limit: 10, ...query, ...span })).uploads.map(({ id }) => id).toSorted();
    expect(await listed({ from: created, to: created + 1 })).toEqual(ids);
    expect(await listed({ from: created })).toEqual(ids);
    expect(await listed({ to: created })).toEqual([]);
    expect(await listed({ from: created + 1 })).toEqual([]);
    const one = { limit: 1, from: created, to: created + 1, ...query };
    const { cursor = "" } = await ledger.list(one);
    expect((await ledger.list({ ...one, cursor })).uploads).toHaveLength(1);
  });

  const idOf = (index: number) => `${lowerBoundAt(1_700_000_000 + index)}-7000-8000-${uidOf(index).slice(-12)}`;
  const rare = [idOf(100), idOf(11_900)];

  it.each([
    ["for a rare state", { state: "failed" }, [1, 0, 1]],
    ["for a rare state, oldest first", { state: "failed", ascending: true }, [1, 0, 1]],
    ["for a name", { video: { names: rare } }, [1, 0, 1]],
    ["none but those found by the index, for uids", { video: { uids: rare } }, [2]],
  ] as const)("scans a limited number of rows per page %s", async (_, query, expected) => {
    const ledger = newLedger();
    const rows = Array.from({ length: 12_000 }, (_, index) => [
      idOf(index),
      index === 100 || index === 11_900 ? "failed" : "ready",
    ]);
    await runInDurableObject(ledger, (_, { storage: { sql } }) =>
      sql.exec(
        `INSERT INTO uploads (id, state, uid, upstream, bytes, seconds, created, expires)
       SELECT value ->> 0, value ->> 1, value ->> 0, 'default', 1, 1, 0, 0 FROM json_each(?)`,
        JSON.stringify(rows),
      ),
    );
    const pageSizes: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await ledger.listVideos({ limit: 5, ...query, ...(cursor !== undefined && { cursor }) });
      pageSizes.push(page.uploads.length);
      ({ cursor } = page);
    } while (cursor !== undefined);
    expect(pageSizes).toEqual(expected);
  });
});

describe("TenantLedger.storage", () => {
  it("returns whole milliseconds as the sum of a creator's seconds", async () => {
    const ledger = newLedger();
    for (const seconds of [0.1, 0.2]) {
      const { uid } = await issueUpload(ledger, { creator: "c" });
      await ledger.record("default", streamVideo(uid, "ready", { report: { kind: "ready", uid, seconds } }));
    }
    expect(await ledger.storage("c")).toEqual({ seconds: 0.3, videos: 2 });
  });
});
