import { expect, it } from "vitest";
import { parseMoment } from "../../../src/http/pipeline/query.ts";
import { NOON } from "../../support/policy-fixtures.ts";

it.each([
  ["2026-11-22T12:00:00Z", NOON, NOON],
  ["2026-11-22T12:00:00.000Z", NOON, NOON],
  ["2026-11-22T12:00:00.001Z", NOON, NOON + 1],
  ["2026-11-22T13:00:00.5+01:00", NOON, NOON + 1],
])("the moment %s is rounded as its bound asks for", (text, down, up) => {
  expect(parseMoment("after", text, "down")).toEqual({ ok: true, value: down });
  expect(parseMoment("before", text, "up")).toEqual({ ok: true, value: up });
});
