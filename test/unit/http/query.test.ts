import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { creator, cursor, flag, limit, oneOf, readQuery, time } from "../../../src/http/pipeline/query.ts";
import { videosQuery } from "../../../src/http/routes/cloudflare/videos-query.ts";
import { NOON } from "../../support/policy-fixtures.ts";

const schema = v.object({
  limit: limit({ fallback: 50, max: 100 }),
  cursor: v.exactOptional(cursor(/^[a-z]+$/)),
  all: flag,
  state: v.exactOptional(oneOf(["ready", "failed"])),
  creator: v.exactOptional(creator),
  from: v.exactOptional(time("up")),
});

const read = (query: string) => readQuery(`https://sluice.example/list${query}`, schema);

describe("readQuery", () => {
  it("returns the defaults when the query is empty", () => {
    for (const query of ["", "?", "?&"]) expect(read(query)).toEqual({ ok: true, value: { limit: 50, all: false } });
  });

  it("returns the parsed values", () => {
    expect(read("?limit=7&cursor=abc&all=true&state=ready&creator=user-1&from=2026-11-22T12:00:00Z")).toEqual({
      ok: true,
      value: { limit: 7, cursor: "abc", all: true, state: "ready", creator: "user-1", from: NOON },
    });
  });

  it.each([
    ["?limit=0", "limit", 'limit must be 1 to 100 (requested: "0").'],
    ["?limit=101", "limit", 'limit must be 1 to 100 (requested: "101").'],
    ["?limit=1e1", "limit", 'limit must be 1 to 100 (requested: "1e1").'],
    ["?limit=", "limit", 'limit must be 1 to 100 (requested: "").'],
    ["?cursor=1", "cursor", 'cursor must be the cursor of the previous page (requested: "1").'],
    ["?all=yes", "all", 'all must be true or false (requested: "yes").'],
    ["?state=lost", "state", 'state must be one of ready, failed (requested: "lost").'],
    ["?creator=", "creator", 'creator must be 1 to 255 characters, without control characters (requested: "").'],
    ["?from=now", "from", 'from must be an RFC 3339 date-time, e.g. 2026-11-22T12:00:00Z (requested: "now").'],
    ["?limt=1", "limt", 'Unknown query parameter "limt". Supported: limit, cursor, all, state, creator, from.'],
    ["?limit=1&limit=1", "limit", 'Query parameter "limit" is given more than once.'],
    ["?limit=1&%6Cimit=1", "limit", 'Query parameter "limit" is given more than once.'],
    [
      "?toString=1",
      "toString",
      'Unknown query parameter "toString". Supported: limit, cursor, all, state, creator, from.',
    ],
  ])("refuses %s", (query, key, detail) => {
    expect(read(query)).toEqual({ ok: false, problem: { code: "bad_request", key, detail } });
  });

  it("truncates long names and values in its problems", () => {
    const long = "x".repeat(10_000);
    for (const query of [`?${long}=1`, `?state=${long}`]) {
      const refused = read(query);
      expect(refused).toMatchObject({ ok: false });
      expect(JSON.stringify(refused).length).toBeLessThan(400);
    }
  });
});

describe("time", () => {
  it.each([
    ["2026-11-22T12:00:00Z", NOON, NOON],
    ["2026-11-22T12:00:00.000Z", NOON, NOON],
    ["2026-11-22T12:00:00.001Z", NOON, NOON + 1],
    ["2026-11-22T13:00:00.5+01:00", NOON, NOON + 1],
  ])("rounds %s down or up", (text, down, up) => {
    expect(v.parse(time("down"), text)).toBe(down);
    expect(v.parse(time("up"), text)).toBe(up);
  });
});

describe("videosQuery", () => {
  const readVideos = (query: string) => readQuery(`https://sluice.example/stream${query}`, videosQuery);
  const noon = "2026-11-22T12:00:00Z";

  it.each([
    [`?end=${noon}`, { before: NOON, after: 0 }],
    [`?before=${noon}`, { before: NOON, after: 0 }],
    [`?start=${noon}`, { after: NOON, before: Number.POSITIVE_INFINITY }],
    [`?after=${noon}`, { after: NOON, before: Number.POSITIVE_INFINITY }],
  ])("reads %s by either of its names", (query, range) => {
    const value = { limit: 1_000, ascending: false, counted: false, live: false, ...range };
    expect(readVideos(query)).toEqual({ ok: true, value });
  });

  it.each([
    [`?before=${noon}&end=${noon}`, "end", "before"],
    [`?after=${noon}&start=${noon}`, "start", "after"],
  ])("refuses both names of a parameter: %s", (query, key, other) => {
    const detail = `${key} must not be combined with ${other} (requested: "${noon}").`;
    expect(readVideos(query)).toEqual({ ok: false, problem: { code: "bad_request", key, detail } });
  });
});
