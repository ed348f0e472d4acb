import { createScheduledController, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, describe, expect, inject, it, vi } from "vitest";
import { createLedgers } from "../../../src/adapters/durable-objects/ledger-client.ts";
import { createReconciliationStates } from "../../../src/adapters/d1/reconciliation-state.ts";
import { createStreamClient } from "../../../src/adapters/stream/client.ts";
import { createStreamApi } from "../../../src/adapters/stream/stream-api.ts";
import { ok } from "../../../src/core/shared/result.ts";
import { encodeUploadMetadata } from "../../../src/core/uploads/rules/upload-metadata.ts";
import worker from "../../../src/index.ts";
import { localUpstream } from "../../support/upstream-fixture.ts";
import { signTag } from "../support/ledger.ts";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

/** Compares ledgers with the local Stream, on schedule and by the operator. */

const stream = inject("stream");
const { accountId, apiBase, uploadHost, token } = stream;
const upstream = localUpstream("eu", stream);
const client = createStreamClient({ deadlineMs: 5_000, allowLoopback: true, onRateLimited: () => Promise.resolve() });
const api = createStreamApi(client, true);
const ledgers = createLedgers(env.LEDGER);
const PATH = "/upstreams/eu/reconciliation";

interface Report {
  readonly run?: Record<string, unknown>;
  readonly running?: Record<string, unknown>;
  readonly finished?: Record<string, unknown>;
  readonly failure?: { readonly at: string; readonly reason: string };
}

beforeEach(async () => {
  await fetch(`${stream.url}/_control/reset`, { method: "POST" });
  await asOperator("PUT", "/upstreams/eu?check=false", {
    accountId,
    apiBase,
    uploadHosts: [uploadHost],
    apiToken: token,
  });
  await seedTenant("acme", { upstream: "eu" });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Advances the clock, so that existing videos are old enough to be compared. */
function later(seconds = 1_000): void {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + seconds * 1_000 });
}

/** Creates a video at Stream with this metadata. */
async function createVideo(metadata: readonly (readonly [string, string])[]): Promise<string> {
  const created = await api.create(upstream, { length: 5, metadata: encodeUploadMetadata(metadata) });
  if (created.kind !== "created") throw new Error(JSON.stringify(created));
  return created.uid;
}

/** Creates a video at Stream as the gateway does for an upload of the tenant. */
const createTagged = async (id: string, tenant = "acme") => createVideo([["sluice", await signTag(tenant, id)]]);

/** Creates an upload in the ledger, with a tagged video at Stream. */
async function createUpload(id: string): Promise<string> {
  const expires = Math.floor(Date.now() / 1000) + 86_400;
  await ledgers.reserve("acme", { id, version: 1e15, limits: {}, upstream: "eu", bytes: 5, seconds: 60, expires });
  const uid = await createTagged(id);
  await ledgers.attach("acme", id, uid, `http://${uploadHost}/`);
  return uid;
}

/** Ids of uploads sort by time. */
const uploadId = (digit: number) =>
  `${Date.now()
    .toString(16)
    .padStart(12, "0")
    .replace(/(.{8})/, "$1-")}-7000-8000-00000000000${digit}`;

async function report(method: "GET" | "POST"): Promise<Report> {
  return (await asOperator(method, PATH)).json<Report>();
}

async function fault(fault: object): Promise<void> {
  await fetch(`${stream.url}/_control/faults`, { method: "POST", body: JSON.stringify(fault) });
}

describe("/admin/v1/upstreams/:id/reconciliation", () => {
  it("returns an empty state before the first sweep, and no differences when there are none", async () => {
    expect(await report("GET")).toEqual({});
    await createUpload(uploadId(1));
    later();
    const { run, finished } = await report("POST");
    const counts = {
      pages: 1,
      videos: 1,
      settled: 0,
      imported: 0,
      missing: 0,
      unmanaged: 0,
      skipped: 0,
      skippedUids: [],
    };
    expect(run).toEqual({ upstream: "eu", outcome: "finished", ...counts });
    expect(finished).toMatchObject(counts);
    expect(await report("GET")).toEqual({ finished });
  });

  it("counts videos that were imported, are missing or are unmanaged", async () => {
    const [kept, deleted, imported] = [uploadId(1), uploadId(2), uploadId(3)];
    await createUpload(kept);
    const uid = await createUpload(deleted);
    await api.deleteVideo(upstream, uid);
    await createTagged(imported);
    await createVideo([["name", "uploaded in the dashboard"]]);
    await createTagged(uploadId(4), "nobody");
    later();
    expect((await report("POST")).finished).toMatchObject({ videos: 4, imported: 1, missing: 1, unmanaged: 2 });
    expect(await ledgers.find("acme", imported)).toMatchObject({
      ok: true,
      value: { state: "issued", upstream: "eu" },
    });
    // The ledger's alarm reads the missing video. A second sweep has nothing to repair.
    await runDurableObjectAlarm(env.LEDGER.getByName("acme"));
    expect(await ledgers.find("acme", deleted)).toMatchObject({ ok: true, value: { state: "expired" } });
    expect(await ledgers.find("acme", kept)).toMatchObject({ ok: true, value: { state: "issued" } });
    expect((await report("POST")).finished).toMatchObject({ imported: 0, missing: 0, unmanaged: 2 });
  });

  it("imports the videos of a tus creation and of a basic link into a ledger that has lost its uploads", async () => {
    const key = await seedTenant("acme", { upstream: "eu" });
    const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
    const tus = { "Tus-Resumable": "1.0.0", "Upload-Length": "5" };
    const created = [
      await request("POST", "/v1/acme/uploads", { headers: { ...headers, ...tus } }),
      await request("POST", "/v1/acme/direct-uploads", { headers, body: JSON.stringify({ maxDurationSeconds: 60 }) }),
    ];
    expect(created.map(({ ok }) => ok)).toEqual([true, true]);
    await runInDurableObject(env.LEDGER.getByName("acme"), (_, { storage }) =>
      storage.sql.exec("DELETE FROM uploads").toArray(),
    );
    later();
    expect((await report("POST")).finished).toMatchObject({ videos: 2, imported: 2, unmanaged: 0 });
    for (const { headers } of created)
      expect(await ledgers.find("acme", headers.get("sluice-upload-id") ?? "")).toMatchObject({
        value: { state: "issued" },
      });
  });

  it("imports no video made in the dashboard, whatever its tag", async () => {
    const [id, known] = [uploadId(1), uploadId(3)];
    const mac = (text: string) => text.split("/")[2] ?? "";
    const tags = [
      `acme/${id}`,
      `acme/${id}/${"A".repeat(16)}`,
      `acme/${id}/${mac(await signTag("zoe", id))}`,
      `acme/${id}/${mac(await signTag("acme", uploadId(2)))}`,
      // Copied from another video of the tenant.
      await signTag("acme", uuidv7({ msecs: Date.now() - 660_000 })),
    ];
    for (const tag of tags) await createVideo([["sluice", tag]]);
    const uid = await createUpload(known);
    const copy = await createTagged(known);
    later();
    expect((await report("POST")).finished).toMatchObject({ videos: 7, imported: 0, missing: 0, unmanaged: 5 });
    expect(await ledgers.usage("acme")).toMatchObject({ value: { pending: 1, videos: 0, storedSeconds: 60 } });
    expect(await ledgers.find("acme", uid)).toMatchObject({ value: { id: known } });
    expect(await ledgers.find("acme", copy)).toEqual(ok(undefined));
  });

  it("leaves the newest videos to the next sweep", async () => {
    await createTagged(uploadId(1));
    expect((await report("POST")).finished).toMatchObject({ videos: 0, imported: 0, missing: 0 });
    later();
    expect((await report("POST")).finished).toMatchObject({ videos: 1, imported: 1 });
  });

  it("returns the failure while Stream is down, and continues when it is up", async () => {
    await createTagged(uploadId(1));
    later();
    await fault({ on: "api", kind: "status", status: 500, times: 2 });
    const down = await report("POST");
    expect(down.run).toMatchObject({ outcome: "failed", pages: 0 });
    expect(down.failure?.reason).toContain("Stream");
    expect(down.finished).toBeUndefined();
    const up = await report("POST");
    expect(up.finished).toMatchObject({ imported: 1 });
    expect(up.failure).toEqual(down.failure);
  });

  it("returns 404 for an unknown upstream, 400 for an invalid id, 405 for DELETE", async () => {
    expect(await codeOf(asOperator("GET", "/upstreams/none/reconciliation"))).toBe("not_found");
    expect(await codeOf(asOperator("POST", "/upstreams/NO/reconciliation"))).toBe("bad_request");
    expect(await codeOf(asOperator("DELETE", PATH))).toBe("method_not_allowed");
  });
});

describe("createReconciliationStates", () => {
  it("writes the result of only one of two concurrent runs", async () => {
    const states = createReconciliationStates(env.DB);
    expect(await states.read("eu")).toEqual(ok({ revision: 0, state: {} }));
    const state = { failure: { at: 5, reason: "one" } };
    const other = { failure: { at: 5, reason: "other" } };
    expect([await states.write("eu", 0, state), await states.write("eu", 0, other)]).toEqual([ok(true), ok(false)]);
    expect(await states.read("eu")).toEqual(ok({ revision: 1, state }));
    expect([await states.write("eu", 1, {}), await states.write("eu", 1, other)]).toEqual([ok(true), ok(false)]);
    expect(await states.read("eu")).toEqual(ok({ revision: 2, state: {} }));
  });
});

describe("scheduled run", () => {
  const tick = async () => {
    const log = vi.spyOn(console, "log").mockImplementation(() => {});
    await worker.scheduled(createScheduledController(), env);
    const lines = log.mock.calls.map(([text]) => JSON.parse(String(text)) as { job?: string; runs?: object[] });
    log.mockRestore();
    return lines.filter(({ job }) => job === "reconcile");
  };

  it("sweeps every 6 hours, and logs one line per run", async () => {
    await createTagged(uploadId(1));
    later();
    expect(await tick()).toMatchObject([{ runs: [{ upstream: "eu", outcome: "finished", imported: 1 }] }]);
    expect(await tick()).toEqual([{ job: "reconcile", runs: [{ upstream: "eu", outcome: "not due" }] }]);
    later(6 * 3_600);
    expect(await tick()).toMatchObject([{ runs: [{ outcome: "finished", imported: 0 }] }]);
  });

  it("calls Stream only when the budget grants a call", async () => {
    await env.BUDGET.getByName("eu").close(60);
    expect(await tick()).toMatchObject([{ runs: [{ outcome: "waiting for the budget", pages: 0 }] }]);
    const requests = await (await fetch(`${stream.url}/_control/requests`)).json<unknown[]>();
    expect(requests).toEqual([]);
  });

  it("logs registry_unavailable when the registry fails", async () => {
    await env.DB.exec("DROP TABLE upstreams");
    expect(await tick()).toEqual([{ job: "reconcile", problem: "registry_unavailable" }]);
  });
});
