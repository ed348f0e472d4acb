import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createStreamClient, head, patch, sendFile } from "../../src/local-stream/client.ts";
import type { Fault } from "../../src/local-stream/faults.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { rawRequest } from "../support/http.ts";
import { type RunningCli, runCli, startCli } from "../support/cli.ts";
import { tmpFolder, videoFile } from "../support/files.ts";

/** Injected faults: they do what they say, once, in process and over HTTP. */

const MIB = 1024 * 1024;

const folder = tmpFolder();
const video = videoFile({ seconds: 1, bytes: 12 * MIB });
let stream: LocalStream;
let client: ReturnType<typeof createStreamClient>;
let large: Buffer;

beforeAll(async () => {
  stream = await startLocalStream();
  client = createStreamClient(stream);
  large = await readFile(video);
});
afterAll(() => stream.close());
beforeEach(() => stream.reset());

describe("a fault on a creation", () => {
  it.each<[Omit<Fault, "on">, number, object]>([
    [{ kind: "status", status: 500, body: "<html>" }, 500, {}],
    [{ kind: "status", status: 307, headers: { location: "http://127.0.0.1:9/" } }, 307, {}],
    [{ kind: "refuse", as: "rate" }, 429, { "retry-after": "300", "x-ratelimit-remaining": "0" }],
    [{ kind: "refuse", as: "rate", headers: { "retry-after": "7" } }, 429, { "retry-after": "7" }],
    [{ kind: "refuse", as: "queue" }, 429, { "content-type": "application/json" }],
    [{ kind: "refuse", as: "storage" }, 413, { "content-type": "application/json" }],
    [{ kind: "refuse", as: "unauthorized" }, 401, { "content-type": "application/json" }],
    [{ kind: "refuse", as: "forbidden" }, 403, { "content-type": "application/json" }],
    [{ kind: "refuse", as: "unavailable" }, 503, { "content-type": "application/json" }],
  ])("%o refuses one creation, and creates no video", async (fault, status, headers) => {
    stream.addFault({ on: "create", ...fault });
    const url = `${client.base}?direct_user=true`;
    const sent = ["Authorization", `Bearer ${stream.token}`, "Tus-Resumable", "1.0.0", "Upload-Length", "1"];
    const answer = await rawRequest("POST", url, sent);
    expect(answer).toMatchObject({ status, headers });
    expect(stream.videos()).toEqual([]);
    expect((await client.create()).status).toBe(201);
  });

  it.each<[Omit<Fault, "on">, (location: string, uid: string) => [string | null, string | null]]>([
    [{ kind: "location" }, (_, uid) => [null, uid]],
    [{ kind: "location", location: "https://evil.example/x" }, (_, uid) => ["https://evil.example/x", uid]],
    [{ kind: "location", location: "/tus/1" }, (_, uid) => ["/tus/1", uid]],
    [{ kind: "location", location: "{url}, https://b.example/" }, (url, uid) => [`${url}, https://b.example/`, uid]],
    [{ kind: "uid", uid: "../etc" }, (url) => [url, "../etc"]],
  ])("%o creates the video and falsifies the response", async (fault, expected) => {
    stream.addFault({ on: "create", ...fault });
    const answer = await client.create();
    const [video] = stream.videos();
    const [location, uid] = [answer.headers.get("location"), answer.headers.get("stream-media-id")];
    const right = /http:\/\/[^,]*/.exec(location ?? "")?.[0] ?? "";
    expect([answer.status, location, uid]).toEqual([201, ...expected(right, video?.uid ?? "")]);
  });

  it("adds headers to the response", async () => {
    stream.addFault({ on: "create", kind: "headers", headers: { "x-ratelimit-remaining": "0" } });
    const answer = await client.create();
    expect([answer.status, answer.headers.get("x-ratelimit-remaining")]).toEqual([201, "0"]);
    expect(answer.headers.get("stream-media-id")).toBe(stream.videos()[0]?.uid);
  });

  it("breaks the connection before or after the video is created, or delays it", async () => {
    stream.addFault({ on: "create", kind: "reset" });
    await expect(client.create()).rejects.toThrow("fetch failed");
    expect(stream.videos()).toHaveLength(0);
    stream.addFault({ on: "create", kind: "reset-after" });
    await expect(client.create()).rejects.toThrow("fetch failed");
    expect(stream.videos()).toHaveLength(1);
    stream.addFault({ on: "create", kind: "latency", milliseconds: 300 });
    const begun = Date.now();
    expect((await client.create()).status).toBe(201);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(295);
  });

  it("creates the video even after the client has disconnected", async () => {
    stream.addFault({ on: "create", kind: "latency", milliseconds: 300 });
    const headers = { ...client.authorization, "Tus-Resumable": "1.0.0", "Upload-Length": "1" };
    const url = `${client.base}?direct_user=true`;
    await expect(fetch(url, { method: "POST", headers, signal: AbortSignal.timeout(50) })).rejects.toThrow("timeout");
    await expect.poll(() => stream.videos()).toHaveLength(1);
  });

  it("has no effect after a reset", async () => {
    stream.addFault({ on: "create", kind: "latency", milliseconds: 200 });
    const creation = client.create();
    await expect.poll(() => stream.faults()).toEqual([]);
    stream.reset();
    await expect(creation).rejects.toThrow("fetch failed");
    expect(stream.videos()).toEqual([]);
  });
});

describe("a fault on an upload", () => {
  it("breaks it after a number of bytes, and it is resumed from the stored offset", async () => {
    const { uid, location } = await client.createUpload(large.byteLength);
    stream.addFault({ on: "patch", kind: "reset-after", bytes: 6 * MIB });
    await expect(patch(location, 0, large)).rejects.toThrow("fetch failed");
    const { offset } = await head(location);
    expect(offset).toBeGreaterThan(0);
    expect(offset).toBeLessThan(large.byteLength);
    await sendFile(location, large);
    expect(await stream.settled(uid)).toMatchObject({ status: { state: "ready" }, size: large.byteLength });
  });

  it("loses the last response of an upload that is stored", async () => {
    const { uid, location } = await client.createUpload(large.byteLength);
    stream.addFault({ on: "patch", kind: "reset-after" });
    await expect(patch(location, 0, large)).rejects.toThrow("fetch failed");
    expect((await head(location)).offset).toBe(large.byteLength);
    expect(await stream.settled(uid)).toMatchObject({ status: { state: "ready" } });
  });

  it("makes the upload host fail or slow down", async () => {
    const { uid, location } = await client.createUpload(large.byteLength);
    stream.addFault({ on: "head", kind: "status", status: 503 });
    stream.addFault({ on: "head", kind: "reset" });
    stream.addFault({ on: "patch", kind: "status", status: 500 });
    stream.addFault({ on: "patch", kind: "latency", milliseconds: 100 });
    await sendFile(location, large, { retryDelays: [0, 0, 0, 0] });
    expect(await stream.settled(uid)).toMatchObject({ status: { state: "ready" } });
    expect(stream.faults()).toEqual([]);
  });
});

describe("Faults", () => {
  it("applies each fault as often as it says, in order, to its operation only", async () => {
    stream.addFault({ on: "api", kind: "status", status: 500, times: 2 });
    stream.addFault({ on: "api", kind: "status", status: 502 });
    expect((await client.create()).status).toBe(201);
    const statuses = [];
    for (let call = 0; call < 4; call++)
      statuses.push((await fetch(client.base, { headers: client.authorization })).status);
    expect(statuses).toEqual([500, 500, 502, 200]);
  });

  it("applies a fault with a probability to the same calls for the same seed, until it is cleared", async () => {
    const round = async (seed: number) => {
      stream.addFault({ on: "create", kind: "status", status: 500, probability: 0.5, seed });
      const statuses = [];
      for (let call = 0; call < 20; call++)
        statuses.push((await client.create({ "Upload-Metadata": "maxdurationseconds MQ==" })).status);
      stream.clearFaults();
      return statuses;
    };
    const [first, again, other] = [await round(7), await round(7), await round(8)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    expect(new Set(first)).toEqual(new Set([201, 500]));
    expect((await client.create()).status).toBe(201);
  });

  it.each<[string, object]>([
    ["for an unknown operation", { on: "delete", kind: "reset" }],
    ["of an unknown kind", { on: "create", kind: "explode" }],
    ["with an unknown refusal", { on: "create", kind: "refuse", as: "x" }],
    ["that never comes", { on: "create", kind: "reset", times: 0 }],
    ["with an impossible probability", { on: "create", kind: "reset", probability: 2 }],
  ])("rejects %s", (_, fault) => {
    expect(() => stream.addFault(fault as Fault)).toThrow(TypeError);
  });
});

it("refuses a body that is too long for the API", async () => {
  const answer = await client.api("POST", "/direct_upload", "x".repeat(1_100_000));
  expect([answer.status, answer.messages[0]?.message]).toEqual([413, expect.stringContaining("1048576")]);
});

describe("/_control", () => {
  const control = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${stream.url}/_control/${path}`, {
      method,
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    return [answer.status, (await answer.json()) as Record<string, unknown>[]] as const;
  };

  it("sets, lists and clears faults", async () => {
    const fault = { on: "create", kind: "status", status: 503 };
    expect(await control("POST", "faults", [fault, fault])).toEqual([200, [fault, fault]]);
    expect((await client.create()).status).toBe(503);
    expect(await control("GET", "faults")).toEqual([200, [fault]]);
    await control("DELETE", "faults");
    expect((await client.create()).status).toBe(201);
  });

  it("lists requests, creations, videos and deliveries, expires uploads, advances the clock and resets", async () => {
    const { uid, location } = await client.createUpload(1);
    await client.api("GET", "");
    expect((await control("GET", "requests"))[1].map(({ method }) => method)).toEqual(["POST", "GET"]);
    expect((await control("GET", "creations"))[1]).toMatchObject([{ rawHeaders: expect.any(Array) as [] }]);
    expect((await control("GET", "videos"))[1]).toMatchObject([{ uid }]);
    expect(await control("GET", "deliveries")).toEqual([200, []]);
    expect(await control("GET", "info")).toMatchObject([200, { apiBase: stream.apiBase, token: stream.token }]);
    await control("POST", "expire", { uid });
    expect((await head(location)).status).toBe(410);
    const other = await client.createUpload(1);
    await control("POST", "advance", { milliseconds: 31 * 60_000 });
    expect((await head(other.location)).status).toBe(410);
    await control("DELETE", "requests");
    expect(await control("GET", "requests")).toEqual([200, []]);
    await control("POST", "reset");
    expect(await control("GET", "videos")).toEqual([200, []]);
  });

  it.each<[string, string, unknown, number]>([
    ["POST", "faults", "{", 400],
    ["POST", "faults", { on: "x" }, 400],
    ["POST", "expire", { uid: "unknown" }, 400],
    ["POST", "advance", {}, 400],
    ["POST", "advance", "null", 400],
    ["GET", "unknown", undefined, 404],
  ])("refuses %s %s with %o", async (method, path, body, status) => {
    const [answered, { error }] = (await control(method, path, body)) as unknown as [number, { error: string }];
    expect([answered, error]).toEqual([status, expect.any(String)]);
  });
});

describe("main.ts", () => {
  const start = (args: string[]) => startCli("src/local-stream/main.ts", args);
  const info = async ({ printed }: RunningCli) =>
    JSON.parse(await vi.waitUntil(() => /^.*(?=\n)/.exec(printed.stdout)?.[0], 20_000)) as LocalStream;

  it("continues an upload after a kill and a restart", async () => {
    const data = join(folder, "process");
    const killed = start(["--port", "0", "--data", data]);
    const first = await info(killed);
    const { uid, location } = await createStreamClient(first).createUpload(large.byteLength, { name: "survivor" });
    expect((await patch(location, 0, large.subarray(0, 5 * MIB))).status).toBe(204);
    killed.child.kill("SIGKILL");
    await killed.exited;

    const restarted = start(["--port", new URL(first.url).port, "--data", data]);
    const second = await info(restarted);
    expect((await head(location)).offset).toBe(5 * MIB);
    await sendFile(location, large);
    const { api } = createStreamClient(second);
    await expect
      .poll(async () => (await api("GET", `/${uid}`)).result, { timeout: 5_000 })
      .toMatchObject({ meta: { name: "survivor" }, status: { state: "ready" } });
    restarted.child.kill("SIGINT");
    expect(await restarted.exited).toBe(0);
  });

  it("reports a port that is in use, and exits", async () => {
    const { code, stderr } = await runCli("src/local-stream/main.ts", ["--port", new URL(stream.url).port]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Port \d+ is in use\.\n$/);
  });
});
