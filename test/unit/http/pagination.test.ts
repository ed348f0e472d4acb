import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { pageOf, pageParameters } from "../../../src/http/pipeline/pagination.ts";
import { readQuery } from "../../../src/http/pipeline/query.ts";

const documents = [{ id: "a" }, { id: "b" }];

describe("pageParameters", () => {
  const read = (query: string, pattern?: RegExp) =>
    readQuery(`https://sluice.example/${query}`, v.object(pageParameters(pattern)));

  it("returns the first page without parameters", () => {
    expect(read("")).toEqual({ ok: true, value: { limit: 50, cursor: "" } });
    expect(read("?cursor=")).toEqual({ ok: true, value: { limit: 50, cursor: "" } });
  });

  it("accepts at most 100 items and a cursor that the list can have returned", () => {
    expect(read("?limit=100&cursor=Ab-1")).toEqual({ ok: true, value: { limit: 100, cursor: "Ab-1" } });
    expect(read("?limit=101")).toMatchObject({ problem: { code: "bad_request", key: "limit" } });
    expect(read("?cursor=a_b")).toMatchObject({ problem: { code: "bad_request", key: "cursor" } });
    expect(read("?cursor=a", /^\d*$/)).toMatchObject({ problem: { code: "bad_request", key: "cursor" } });
  });
});

describe("pageOf", () => {
  it("adds the last id as the cursor if the page is full", () => {
    expect(pageOf("tenants", documents, 2)).toEqual({ tenants: documents, cursor: "b" });
  });

  it("adds no cursor to the last page", () => {
    expect(pageOf("tenants", documents, 3)).toEqual({ tenants: documents });
    expect(pageOf("tenants", [], 1)).toEqual({ tenants: [] });
  });
});
