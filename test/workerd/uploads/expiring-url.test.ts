import { beforeEach, describe, expect, it, vi } from "vitest";
import {
  CHUNK,
  injectFault,
  requestsFor,
  resetLocalStream,
  stream,
  stubAbsentVideo,
  stubResponse,
  stubVideo,
  upload,
  videos,
} from "../support/local-stream-fixture.ts";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

/** Repeats of a creation around the expiry of its upload URL, against the local Stream. */

resetLocalStream();

const LIFE_SECONDS = 1_800;
let tenant = 0;
let tenantId: string;
let create: () => Promise<{ status: number; uid: string; location: string; replayed: boolean; code?: string }>;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const id = `expiring-${++tenant}`;
  tenantId = id;
  const key = await seedTenant(id, { upstream: "live" });
  create = async () => {
    const answer = await request("POST", `/v1/${id}/uploads`, {
      headers: {
        Authorization: `Bearer ${key}`,
        "Idempotency-Key": "lesson-1",
        "Tus-Resumable": "1.0.0",
        "Upload-Length": String(2 * CHUNK.length),
      },
    });
    const { status, headers } = answer;
    return {
      status,
      uid: headers.get("stream-media-id") ?? "",
      location: headers.get("location") ?? "",
      replayed: headers.has("idempotency-replayed"),
      ...(status >= 400 && { code: await codeOf(answer) }),
    };
  };
});

/** Lets time pass for the gateway and for Stream. */
async function pass(seconds: number): Promise<void> {
  vi.setSystemTime(Date.now() + seconds * 1_000);
  await fetch(`${stream.url}/_control/advance`, {
    method: "POST",
    body: JSON.stringify({ milliseconds: seconds * 1_000 }),
  });
}

describe.each([
  ["less than a minute before the URL expires", LIFE_SECONDS - 30],
  ["after the URL has expired", LIFE_SECONDS + 5],
])("a repeat %s", (_, seconds) => {
  it("gets a new upload if the old one is empty, whose video is deleted first", async () => {
    const first = await create();
    await pass(seconds);
    const repeat = await create();
    expect(repeat).toMatchObject({ status: 201, replayed: false });
    expect(repeat.uid).not.toBe(first.uid);
    expect(await videos()).toMatchObject([{ uid: repeat.uid }]);
    expect(await create()).toMatchObject({ status: 201, uid: repeat.uid, replayed: true });
  });

  it("asks again if Stream fails once, and gets a new upload", async () => {
    const first = await create();
    await pass(seconds);
    await stubResponse(500, "");
    const repeat = await create();
    expect(repeat).toMatchObject({ status: 201, replayed: false });
    expect(repeat.uid).not.toBe(first.uid);
    expect(await videos()).toHaveLength(1);
  });

  it("gets a 409 while Stream does not answer, and a new upload as soon as it does", { timeout: 30_000 }, async () => {
    const first = await create();
    await pass(seconds);
    await injectFault({ on: "api", kind: "status", status: 500, body: "", times: 4 });
    expect(await create()).toMatchObject({ status: 409, code: "creation_in_progress" });
    expect(await videos()).toMatchObject([{ uid: first.uid }]);
    const repeat = await create();
    expect(repeat).toMatchObject({ status: 201, replayed: false });
    expect(repeat.uid).not.toBe(first.uid);
  });

  it("gets no new upload before Stream has deleted the empty video", async () => {
    const { uid } = await create();
    await pass(seconds);
    await stubVideo(uid, "pendingupload");
    await stubResponse(500, "");
    expect(await create()).toMatchObject({ status: 201, replayed: false });
    expect(await requestsFor(uid)).toEqual(["GET", "DELETE", "GET", "DELETE"]);
    expect(await videos()).toHaveLength(1);
  });

  it("gets a new upload if the upstream of the old one was removed", async () => {
    const first = await create();
    await pass(seconds);
    const { accountId, apiBase, uploadHost, token } = stream;
    const account = { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token };
    await asOperator("PUT", "/upstreams/other?check=false", account);
    await asOperator("PUT", `/tenants/${tenantId}`, { upstream: "other" });
    await asOperator("DELETE", "/upstreams/live");
    const repeat = await create();
    expect(repeat).toMatchObject({ status: 201, replayed: false });
    expect(repeat.uid).not.toBe(first.uid);
  });

  it("gets a new upload if the old video is gone", async () => {
    const { uid } = await create();
    await pass(seconds);
    await stubAbsentVideo();
    expect(await create()).toMatchObject({ status: 201, replayed: false });
    expect(await requestsFor(uid)).toEqual(["GET"]);
  });

  it("is settled by what Stream says of a finished video", async () => {
    const { uid } = await create();
    await pass(seconds);
    await stubVideo(uid, "ready", { duration: 4, size: 5 });
    expect(await create()).toMatchObject({ status: 422, code: "idempotency_key_reused" });
  });
});

describe("a repeat just before the URL expires", () => {
  it("gets the old URL if bytes have come", async () => {
    const first = await create();
    await upload(first.location, CHUNK);
    await pass(LIFE_SECONDS - 30);
    expect(await create()).toMatchObject({ status: 201, uid: first.uid, location: first.location, replayed: true });
    expect(await requestsFor(first.uid)).toEqual([]);
    expect(await create()).toMatchObject({ status: 201, replayed: true });
  });

  it("makes one upload, however many ask at once", async () => {
    const first = await create();
    await pass(LIFE_SECONDS - 30);
    const repeats = await Promise.all(Array.from({ length: 10 }, create));
    const made = new Set(repeats.filter(({ status }) => status === 201).map(({ uid }) => uid));
    expect(made.size).toBe(1);
    expect(made).not.toContain(first.uid);
    expect(new Set(repeats.map(({ status }) => status))).toEqual(new Set([201]));
    expect(await videos()).toHaveLength(1);
  });
});

describe("a repeat of a creation whose answer was lost", () => {
  it.each([
    ["is reset", { kind: "reset-after" }],
    ["is an HTML page", { kind: "status", status: 502, body: "<html>Bad Gateway</html>" }],
  ] as const)("gets a 201 at once when the answer %s", async (_, fault) => {
    await injectFault({ on: "create", ...fault });
    expect((await create()).status).toBe(502);
    expect(await create()).toMatchObject({ status: 201, replayed: false });
  });

  it("waits for a request that has the same creation in progress, and gets its upload", async () => {
    vi.useRealTimers();
    await injectFault({ on: "create", kind: "latency", milliseconds: 1_500 });
    const [first, repeat] = await Promise.all([create(), create()]);
    expect([first.status, repeat.status]).toEqual([201, 201]);
    expect(first.uid).toBe(repeat.uid);
    expect(first.replayed).not.toBe(repeat.replayed);
  });
});
