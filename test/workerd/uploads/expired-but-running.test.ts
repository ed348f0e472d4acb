import { expect, it, vi } from "vitest";
import { BASIC_UPLOAD_MAX_BYTES } from "../../../src/core/uploads/rules/direct-upload.ts";
import type { Fault } from "../../../src/local-stream/faults.ts";
import {
  CHUNK,
  LIFE_SECONDS,
  beginAnew,
  fault,
  now,
  reserved,
  settle,
  settleAfter,
  showing,
  signedByStream,
  upload,
  videos,
} from "../support/local-stream-fixture.ts";
import { agrees, asOperator, request } from "../support/worker.ts";

/** Uploads that are, or may be, running when their URL dies. */

beginAnew();

it("an upload that runs on after its URL should have died is left alone, for some hours", async () => {
  const { ledger, location } = await reserved("made", "attached", CHUNK.length + 1);
  await upload(location, CHUNK);
  const row = await settleAfter(ledger, (LIFE_SECONDS + 100) * 1_000);
  expect(row).toMatchObject({ state: "issued" });
  expect(row["due"]).toBeGreaterThan(now() + 200);
  expect(await videos()).toHaveLength(1);
  expect(await ledger.usage()).toMatchObject({ pending: 1 });
  expect(await settleAfter(ledger, 7 * 60 * 60 * 1_000)).toMatchObject({ state: "expired" });
  expect(await videos()).toEqual([]);
});

it.each([
  [423, "issued"],
  [429, "issued"],
  [503, "issued"],
  [404, "expired"],
  [410, "expired"],
])("an upload may be running where its URL answers %i: it is %s", async (status, state) => {
  const { ledger } = await reserved("made", "attached");
  await fault({ on: "head", kind: "status", status });
  expect(await settleAfter(ledger, (LIFE_SECONDS + 100) * 1_000)).toMatchObject({ state });
  expect(await videos()).toHaveLength(state === "issued" ? 1 : 0);
});

it("a form that was begun before its basic link died may be running, which nobody can be asked: it has half an hour", async () => {
  const { ledger, location } = await reserved("made", "attached", BASIC_UPLOAD_MAX_BYTES);
  expect(location).toContain("/basic/");
  const row = await settle(ledger);
  expect(row).toMatchObject({ state: "issued", location });
  expect(row["due"]).toBe(Number(row["expires"]) + 1_800);
  expect(await settleAfter(ledger, 1_600_000)).toMatchObject({ state: "issued" });
  expect(await videos()).toHaveLength(1);
  expect(await settleAfter(ledger, 200_000)).toMatchObject({ state: "expired" });
  expect(await videos()).toEqual([]);
});

it("an upload that has not begun when its URL should have died has expired, even if the URL is alive", async () => {
  const { ledger } = await reserved("made", "attached");
  expect(await settleAfter(ledger, (LIFE_SECONDS + 100) * 1_000)).toMatchObject({ state: "expired" });
});

it("an upload that was broken off when its URL died has expired", async () => {
  const { ledger, location } = await reserved("made", "attached", CHUNK.length + 1);
  await upload(location, CHUNK);
  expect(await settle(ledger)).toMatchObject({ state: "expired", location: null });
  expect(await videos()).toEqual([]);
});

it.each<[string, Fault[]]>([
  ["answers", []],
  ["says that it is locked", [{ on: "head", kind: "status", status: 423 }]],
  ["does not answer", [{ on: "head", kind: "reset" }]],
])("a chunk that is on its way when the URL should have died comes in, where the upload host %s", async (_, faults) => {
  const { ledger, location, uid } = await reserved("made", "attached", CHUNK.length + 1);
  await upload(location, CHUNK);
  await fault({ on: "patch", kind: "latency", milliseconds: 1_000 });
  const chunk = upload(location, "x", CHUNK.length);
  for (const one of faults) await fault(one);
  expect(await settleAfter(ledger, (LIFE_SECONDS + 100) * 1_000)).toMatchObject({ state: "issued", location });
  await chunk;
  expect(await videos()).toMatchObject([{ status: { state: "queued" } }]);
  expect(await settleAfter(ledger, 1_900_000)).toMatchObject({ state: "issued" });
  await showing(uid, "ready", { duration: 7.5 });
  expect(await settleAfter(ledger, 1_900_000)).toMatchObject({ state: "ready", seconds: 7.5, due: null });
});

it("an upload that went on where its tenant keeps the abandoned ones is counted when Stream tells of it, a day late", async () => {
  const { id, tenant, ledger, uid } = await reserved("made", "attached");
  await asOperator("PUT", `/tenants/${tenant}`, { upstream: "live", unfinishedUploads: "keep" });
  expect(await settle(ledger)).toMatchObject({ state: "expired" });
  expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0 });

  vi.setSystemTime(Date.now() + 86_400_000);
  const body = JSON.stringify({
    uid,
    status: { state: "ready" },
    duration: 7.5,
    size: 900,
    meta: { sluice: `${tenant}/${id}` },
  });
  const headers = await signedByStream(body);
  for (let times = 0; times < 2; times++)
    expect((await request("POST", "/hooks/stream/live", { headers, body })).status).toBe(200);
  expect(await ledger.find(id)).toMatchObject({ state: "ready", seconds: 7.5, bytes: 900 });
  expect(await ledger.usage()).toMatchObject({ pending: 0, videos: 1, storedSeconds: 7.5 });
  await agrees(ledger);
});
