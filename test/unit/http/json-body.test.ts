import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { readJson } from "../../../src/http/pipeline/json-body.ts";

const schema = v.object({ list: v.array(v.number("must be a number")) });

function read(
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = { "Content-Type": "application/json" },
) {
  return readJson(new Request("https://sluice.example/", { method: "POST", headers, body }), schema);
}

const withoutType = (body: string, type: string) =>
  readJson(
    new Request("https://sluice.example/", { method: "POST", headers: { "Content-Type": type }, body }),
    schema,
    "any",
  );

describe("readJson", () => {
  it.each(["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"])(
    "reads a body of type %s",
    async (type) => {
      expect(await read('{"list":[1]}', { "Content-Type": type })).toEqual({ ok: true, value: { list: [1] } });
    },
  );

  it("ignores a byte order mark", async () => {
    expect(await read('\uFEFF{"list":[]}')).toEqual({ ok: true, value: { list: [] } });
  });

  it.each(["text/plain", "text/application/json", "application/jsonp", "multipart/form-data", ""])(
    "refuses a body of type %j",
    async (type) => {
      const detail = "The body must be JSON with Content-Type: application/json.";
      expect(await read("{}", { "Content-Type": type })).toMatchObject({ problem: { code: "body_invalid", detail } });
    },
  );

  it.each(["application/x-www-form-urlencoded", "text/plain", ""])(
    "reads JSON of type %j where any type is accepted",
    async (type) => {
      expect(await withoutType('{"list":[1]}', type)).toEqual({ ok: true, value: { list: [1] } });
      expect(await withoutType("list=1", type)).toMatchObject({ problem: { detail: "The body is not JSON." } });
    },
  );

  it("names the first field at fault", async () => {
    const problem = { code: "body_invalid", detail: "list.1: must be a number", key: "list.1" };
    expect(await read('{"list":[1,"a","b"]}')).toEqual({ ok: false, problem });
  });

  it.each<[string, string | Uint8Array<ArrayBuffer>]>([
    ["half a document", "{"],
    ["nothing", ""],
    ["bytes that are not UTF-8", Uint8Array.from([0x22, 0xff, 0x22])],
  ])("refuses %s", async (_, body) => {
    expect(await read(body)).toMatchObject({ problem: { code: "body_invalid", detail: "The body is not JSON." } });
  });

  it("refuses a body above 64 KiB, whatever Content-Length says", async () => {
    const large = JSON.stringify({ list: Array.from({ length: 40_000 }, () => 1) });
    expect(await read(large)).toMatchObject({ problem: { code: "body_too_large" } });
    const headers = { "Content-Type": "application/json", "Content-Length": "1" };
    expect(await read(large, headers)).toMatchObject({ problem: { code: "body_too_large" } });
  });

  it("shortens a long member name", async () => {
    const long = "x".repeat(60_000);
    const request = new Request("https://sluice.example/", { method: "POST", body: JSON.stringify({ [long]: 1 }) });
    const read = await readJson(request, v.strictObject({}), "any");
    expect(read).toMatchObject({ problem: { code: "body_invalid", key: `${"x".repeat(1_000)}…` } });
    expect(JSON.stringify(read).length).toBeLessThan(2_500);
  });
});
