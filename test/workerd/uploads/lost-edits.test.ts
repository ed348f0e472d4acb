import { describe, expect, it } from "vitest";
import { type EditStartOutcome } from "../../../src/core/quota/rules/edit-reservation.ts";
import { expectLedgerConsistent, rowOf, signTag } from "../support/ledger.ts";
import {
  type Ledger,
  injectFault,
  requestsFor,
  reserveAtStream,
  resetLocalStream,
  settleAfter,
  stream,
  stubVideo,
} from "../support/local-stream-fixture.ts";

/** What becomes of edits whose Worker was killed, or whose answer from Stream was lost: the alarm asks the local Stream. */

resetLocalStream();

async function begin(ledger: Ledger, id: string, seconds?: number): Promise<EditStartOutcome> {
  const edit = { id, version: 1, limits: {}, ...(seconds !== undefined && { seconds }) };
  return JSON.parse(await ledger.beginEdit(edit)) as EditStartOutcome;
}

async function editAtStream(uid: string, body: object): Promise<void> {
  const { apiBase, accountId, token } = stream;
  const response = await fetch(`${apiBase}/accounts/${accountId}/stream/${uid}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
}

const events = async (ledger: Ledger) => (await ledger.events({ limit: 5 })).events.map(({ body }) => body.type);

describe("an edit whose Worker was killed", () => {
  it("is written as Stream describes it, with its event, if Stream carried it out", async () => {
    const { id, uid, ledger, tenant } = await reserveAtStream("made", "attached", 5, { name: "old" });
    await ledger.learn(1, true);
    await begin(ledger, id, 90);
    const meta = { name: "new", project: "p1", sluice: await signTag(tenant, id) };
    const uploadExpiry = new Date(Math.floor(Date.now() / 1000) * 1000 + 3_600_000).toISOString();
    await editAtStream(uid, { meta, creator: "user-1", maxDurationSeconds: 75, uploadExpiry });
    expect(await settleAfter(ledger, 61_000)).toMatchObject({
      state: "issued",
      name: "new",
      meta: '{"project":"p1"}',
      label: "user-1",
      seconds: 75,
      expires: Date.parse(uploadExpiry) / 1000,
      editing: null,
      returns: 1,
    });
    expect(await events(ledger)).toEqual(["upload.updated"]);
    await expectLedgerConsistent(ledger);
  });

  it("gives the longer reservation back if Stream never heard of it", async () => {
    const { id, uid, ledger } = await reserveAtStream("made", "attached", 5, { name: "same" });
    const uploadExpiry = new Date(Number((await rowOf(ledger, id))["expires"]) * 1000).toISOString();
    await editAtStream(uid, { maxDurationSeconds: 60, meta: { name: "same" }, uploadExpiry });
    await ledger.learn(1, true);
    await begin(ledger, id, 90);
    expect(await ledger.usage()).toMatchObject({ storedSeconds: 90 });
    expect(await settleAfter(ledger, 61_000)).toMatchObject({ state: "issued", seconds: 60, editing: null });
    expect(await ledger.usage()).toMatchObject({ storedSeconds: 60 });
    expect(await events(ledger)).toEqual([]);
  });

  it("is asked about until Stream answers, also of a video that has been ready for long", async () => {
    const { id, uid, ledger } = await reserveAtStream("made", "attached");
    await ledger.record("live", { report: { kind: "ready", uid, seconds: 3 }, json: { uid } });
    await begin(ledger, id);
    await injectFault({ on: "api", kind: "status", status: 500, body: "" });
    const row = await settleAfter(ledger, 24 * 3_600_000);
    expect(row).toMatchObject({ state: "ready", editing: expect.any(Number), due: expect.any(Number) });
    await stubVideo(uid, "ready", { meta: { name: "new" } });
    expect(await settleAfter(ledger, 1_801_000)).toMatchObject({
      state: "ready",
      editing: null,
      name: "new",
      due: null,
    });
    expect(await settleAfter(ledger, 86_400_000)).toMatchObject({ due: null });
    expect(await requestsFor(uid)).toEqual(["GET", "GET"]);
  });

  it("is not asked about while another edit of the video is in progress", async () => {
    const { id, uid, ledger } = await reserveAtStream("made", "attached");
    await begin(ledger, id);
    await settleAfter(ledger, 61_000);
    await begin(ledger, id);
    await editAtStream(uid, { meta: { name: "new" } });
    expect(await settleAfter(ledger, 30_000)).toMatchObject({ editing: expect.any(Number), name: null });
    expect(await requestsFor(uid)).toEqual(["GET", "POST"]);
    await ledger.endEdit(id, {});
    expect(await rowOf(ledger, id)).toMatchObject({ editing: expect.any(Number) });
    expect(await settleAfter(ledger, 31_000)).toMatchObject({ editing: null, name: "new" });
  });

  it("keeps what a later report says", async () => {
    const { id, uid, ledger } = await reserveAtStream("made", "attached");
    const described = (name: string, modified: string) => ({
      report: { kind: "ready" as const, uid, seconds: 3 },
      json: { uid, status: { state: "ready" }, meta: { name }, modified },
    });
    await begin(ledger, id);
    await ledger.record("live", described("newer", "2026-11-28T10:00:01Z"));
    await ledger.endEdit(id, { video: described("older", "2026-11-28T10:00:00Z") });
    expect(await ledger.find(id)).toMatchObject({ video: expect.stringContaining("newer") });
    expect(await rowOf(ledger, id)).toMatchObject({ editing: null, due: null, name: null });
  });
});
