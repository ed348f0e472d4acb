import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { Delivery } from "../../../src/core/webhooks/rules/delivery.ts";
import { alarmOf, issueUpload, newLedger, streamVideo } from "../support/ledger.ts";
import { asOperator } from "../support/worker.ts";

describe("the events of a TenantLedger", () => {
  it("are stored in order while the tenant has endpoints", async () => {
    const ledger = newLedger();
    const { name } = ledger;
    await issueUpload(ledger);
    await ledger.learn(1, true);
    const { id, uid } = await issueUpload(ledger);
    await ledger.record("default", streamVideo(uid, "ready"));
    await ledger.record("default", streamVideo(uid, "ready"));
    await ledger.cancel(id, Infinity);
    const { events } = await ledger.events({ limit: 10 });
    expect(events.map(({ body }) => body.type)).toEqual(["upload.deleted", "upload.ready", "upload.created"]);
    expect(events.map(({ id: eventId }) => eventId)).toEqual([3, 2, 1].map((number) => `evt_${name}_${number}`));
    expect(events.every(({ body }) => body.data.upload.id === id)).toBe(true);
    await ledger.learn(2, false);
    await issueUpload(ledger);
    expect((await ledger.events({ limit: 10 })).events).toHaveLength(3);
  });

  it("carry what ties the upload to the backend's record, and how to show its video", async () => {
    const ledger = newLedger();
    await ledger.learn(1, true);
    const correlation = { name: "cats.mp4", grant: "jti-1", reference: "order 7" };
    const meta = { project: "p1" };
    const idempotency = { key: '["tenant","","lesson 1"]', fingerprint: "f", once: false };
    const { uid } = await issueUpload(ledger, { ...correlation, meta: JSON.stringify(meta), idempotency });
    const json = { uid, thumbnail: "https://t.example/1.jpg", requireSignedURLs: true };
    await ledger.record("default", streamVideo(uid, "ready", { json }));
    const { events } = await ledger.events({ limit: 10 });
    const [ready, created] = events.map(({ body }) => body.data.upload);
    const expected = { ...correlation, meta, idempotencyKey: "lesson 1" };
    expect(created).toMatchObject({ state: "issued", ...expected });
    expect(created).not.toHaveProperty("thumbnail");
    expect(ready).toMatchObject({ state: "ready", ...expected, thumbnail: json.thumbnail, signed: true });
  });

  it("are listed page by page, with their delivery attempts", async () => {
    const ledger = newLedger();
    const { name } = ledger;
    await ledger.learn(1, true);
    for (let index = 0; index < 3; index++) await issueUpload(ledger);
    const first = await ledger.events({ limit: 2 });
    const second = await ledger.events({ limit: 2, cursor: first.cursor ?? "" });
    expect([...first.events, ...second.events].map(({ id }) => id)).toEqual([3, 2, 1].map((n) => `evt_${name}_${n}`));
    expect(second.cursor).toBeUndefined();

    const attempts = [
      { endpoint: "a", at: 1_000, outcome: "failed", status: 500, reason: "500", milliseconds: 12 },
      { endpoint: "a", at: 6_000, outcome: "delivered", status: 200, milliseconds: 3 },
    ] as const;
    for (const attempt of attempts) await ledger.recordAttempt(`evt_${name}_1`, attempt);
    // The answer to a call may be lost, and the call repeated.
    await ledger.recordAttempt(`evt_${name}_1`, attempts[1]);
    await ledger.recordAttempt(`evt_${name}_99`, attempts[0]);
    const recorded = await runInDurableObject(ledger, (_, { storage: { sql } }) =>
      sql.exec("SELECT event FROM attempts").toArray(),
    );
    expect(recorded).toEqual([{ event: 1 }, { event: 1 }]);
    await evictDurableObject(ledger);
    expect(await ledger.event(`evt_${name}_1`)).toMatchObject({ attempts });
    for (const id of [`evt_${name}_99`, "evt_other_1", `evt_${"x".repeat(name.length)}_1`, `evt_${name}_01`, "", "1"])
      expect(await ledger.event(id)).toBeUndefined();
  });

  it("are published by the alarm when the registry was unavailable", async () => {
    const ledger = newLedger();
    await ledger.learn(1, true);
    await env.DB.exec("ALTER TABLE endpoints RENAME TO elsewhere");
    await issueUpload(ledger);
    const state = () =>
      runInDurableObject(ledger, async (_, { storage }) => ({
        published: storage.sql.exec("SELECT published FROM ledger").one()["published"],
        alarm: await storage.getAlarm(),
      }));
    await runDurableObjectAlarm(ledger);
    expect((await state()).published).toBe(0);
    expect((await state()).alarm).toBeLessThanOrEqual(Date.now() + 61_000);
    await env.DB.exec("ALTER TABLE elsewhere RENAME TO endpoints");
    await evictDurableObject(ledger);
    await runDurableObjectAlarm(ledger);
    expect((await state()).published).toBe(1);
  });

  it("have an alarm set while they are being published", async () => {
    const ledger = newLedger();
    const { name } = ledger;
    await asOperator("PUT", `/tenants/${name}`, {});
    await asOperator("PUT", `/tenants/${name}/endpoints/main`, { url: "https://hooks.acme.com/" });
    const send = vi.spyOn(env.DELIVERIES, "sendBatch").mockReturnValue(new Promise(() => {}));
    await issueUpload(ledger, { version: 1e15 });
    await vi.waitFor(() => expect(send).toHaveBeenCalled());
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + 5_000);
    await runDurableObjectAlarm(ledger);
    const alarm = await alarmOf(ledger);
    send.mockRestore();
    expect(alarm).toBeLessThanOrEqual(Date.now() + 61_000);
  });

  it("are sent to an endpoint as soon as it exists", async () => {
    const ledger = newLedger();
    const { name } = ledger;
    await asOperator("PUT", `/tenants/${name}`, {});
    const send = vi.spyOn(env.DELIVERIES, "sendBatch").mockResolvedValue({} as QueueSendBatchResponse);
    for (const endpoint of ["first", "second"]) {
      await asOperator("PUT", `/tenants/${name}/endpoints/${endpoint}`, { url: "https://hooks.acme.com/" });
      await issueUpload(ledger, { version: 1e15 });
      await vi.waitFor(() => expect(send).toHaveBeenCalled());
    }
    await runDurableObjectAlarm(ledger);
    const endpoints = send.mock.calls.map(([messages]) => [...messages].map(({ body }) => (body as Delivery).endpoint));
    send.mockRestore();
    expect(endpoints).toEqual([["first"], ["first", "second"]]);
  });

  it("are still stored after an older version of the tenant arrives late", async () => {
    const ledger = newLedger();
    await ledger.learn(7, true);
    await ledger.learn(6, false);
    await issueUpload(ledger, { version: 7 });
    expect((await ledger.events({ limit: 1 })).events).toHaveLength(1);
  });
});
