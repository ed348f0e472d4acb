import { describe, expect, it } from "vitest";
import type { Access } from "../../../src/core/auth/authenticate.ts";
import { listVideos } from "../../../src/core/uploads/list-videos.ts";
import { readQuery } from "../../../src/http/pipeline/query.ts";
import { videosQuery } from "../../../src/http/routes/cloudflare/videos-query.ts";
import type { Ledgers } from "../../../src/core/ports/ledger.ts";
import type { UploadRecord, UploadQuery } from "../../../src/core/uploads/rules/upload-record.ts";
import type { UploadState } from "../../../src/core/uploads/rules/upload-state.ts";
import { NOON } from "../../support/policy-fixtures.ts";

const access = {
  caller: { tenant: "acme", kind: "api-key" },
  tenant: { id: "acme", policy: [], limits: {} },
} as unknown as Access;

function upload(index: number, state: UploadState): UploadRecord {
  const uid = index.toString(16).padStart(32, "0");
  const kept = {
    created: NOON,
    expires: NOON,
    upstream: "default",
    deletionRequested: false,
    deletionPending: false,
    rounds: 0,
  };
  return { id: `${index}`, uid, state, bytes: 1, seconds: 1, ...kept };
}

/** A ledger with this many pages, every other one empty. The cursor is the page number. */
function ledgerOf(pages: number, state: UploadState = "issued") {
  const queries: UploadQuery[] = [];
  const list: Ledgers["list"] = (_, query) => {
    queries.push(query);
    const page = Number(query.cursor ?? 0);
    const uploads = page % 2 === 0 ? [upload(page, state)] : [];
    return Promise.resolve({
      ok: true,
      value: { uploads, ...(page + 1 < pages && { cursor: String(page + 1) }) },
    });
  };
  return { queries, ledgers: { list } as Ledgers };
}

function list(ledgers: Ledgers, parameters: Iterable<readonly [string, string]>) {
  const query = readQuery(
    `https://sluice.example/?${new URLSearchParams(Object.fromEntries(parameters)).toString()}`,
    videosQuery,
  );
  return query.ok ? listVideos({ ledgers }, access, query.value) : query;
}

describe("listVideos", () => {
  it("reads all pages of the ledger, including empty ones", async () => {
    const { queries, ledgers } = ledgerOf(5);
    const listed = await list(ledgers, []);
    expect(listed.ok && listed.value.videos.map(({ uid }) => Number(uid))).toEqual([0, 2, 4]);
    expect(queries.map(({ cursor }) => cursor)).toEqual([undefined, "1", "2", "3", "4"]);
  });

  it("stops when the limit is reached", async () => {
    const { queries, ledgers } = ledgerOf(Number.POSITIVE_INFINITY);
    const listed = await list(ledgers, [["limit", "2"]]);
    expect(listed).toMatchObject({ ok: true, value: { videos: [{}, {}] } });
    expect(queries).toHaveLength(3);
  });

  it("counts all matching videos when include_counts is set", async () => {
    const { queries, ledgers } = ledgerOf(9);
    const query = [
      ["limit", "2"],
      ["include_counts", "true"],
    ] as const;
    expect(await list(ledgers, query)).toMatchObject({ value: { videos: [{}, {}], total: 5 } });
    expect(queries).toHaveLength(9);
  });

  it("passes after and before to the ledger as an inclusive start and an exclusive end", async () => {
    const { queries, ledgers } = ledgerOf(1);
    const timestamps = [-1, 1].map((ahead) => new Date((NOON + ahead) * 1_000).toISOString());
    const query = ["after", "before"].map((name, index) => [name, timestamps[index] ?? ""] as const);
    expect(await list(ledgers, query)).toMatchObject({ value: { videos: [{}] } });
    expect(queries).toMatchObject([{ from: NOON, to: NOON + 1 }]);
  });

  it("passes the filters by uid and name to the ledger", async () => {
    const { queries, ledgers } = ledgerOf(1);
    const filters = { id: "a, b", name: "Cats,c", video_name: "Cats, and dogs", search: "cat", type: "vod" };
    await list(ledgers, Object.entries(filters));
    expect(queries).toMatchObject([
      { video: { uids: ["a", "b"], names: ["Cats", "c"], name: "Cats, and dogs", search: "cat" } },
    ]);
  });

  it.each([
    ["type", "live"],
    ["live_input_id", "x"],
  ] as const)("finds nothing for %s=%s, without asking the ledger", async (name, value) => {
    const { queries, ledgers } = ledgerOf(3);
    const query = [
      [name, value],
      ["include_counts", "true"],
    ] as const;
    expect(await list(ledgers, query)).toEqual({ ok: true, value: { videos: [], total: 0 } });
    expect(queries).toEqual([]);
  });

  it.each([
    ["id", ""],
    ["name", " "],
    ["video_name", ""],
    ["search", ""],
    ["type", "all"],
    ["id", ",".repeat(1_000)],
  ])("refuses %s=%s", async (name, value) => {
    expect(await list(ledgerOf(1).ledgers, [[name, value]])).toMatchObject({
      problem: { code: "bad_request", key: name },
    });
  });

  it("returns bad_request when a search reaches its scan bound, never a short list", async () => {
    const { ledgers } = ledgerOf(Number.POSITIVE_INFINITY);
    expect(await list(ledgers, [["search", "cat"]])).toMatchObject({ problem: { code: "bad_request" } });
  });

  it("returns bad_request when the list would have to be truncated", async () => {
    const { queries, ledgers } = ledgerOf(Number.POSITIVE_INFINITY, "expired");
    const listed = await list(ledgers, []);
    expect(listed).toMatchObject({ ok: false, problem: { code: "bad_request" } });
    expect(queries.length).toBeLessThan(100);
  });
});
