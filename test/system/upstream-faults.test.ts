import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Fault } from "../../src/local-stream/faults.ts";
import { type TestGateway, sentToStream, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";

let harness: TestGateway;
let tenants = 0;
let tenant: string;
let key: string;

beforeAll(async () => {
  harness = await startTestGateway({ STREAM_DEADLINE_MS: "500" }, { storageSeconds: 20_000, apiLimit: 50 });
});
afterAll(() => harness.stop());

/** A separate tenant and upstream for each test: a 429 of Stream blocks the budget of the whole upstream. */
beforeEach(async () => {
  harness.stream.reset();
  tenant = `tenant-${++tenants}`;
  const { apiBase, accountId, uploadHost, token } = harness.stream;
  await harness.operator("PUT", `/upstreams/${tenant}?check=false`, {
    accountId,
    apiBase,
    uploadHosts: [uploadHost],
    apiToken: token,
  });
  key = await harness.tenant(tenant, { upstream: tenant });
});

const post = (headers = {}) => create(harness.url, tenant, { ...bearer(key), ...headers });
const envelope = (code: number, message: string) =>
  JSON.stringify({ result: null, success: false, errors: [{ code, message: "Error" }], messages: [{ code, message }] });

describe("POST /v1/:tenant/uploads, when Stream", () => {
  it.each<[string, Partial<Fault>, number, string, string | null]>([
    ["refuses the token", { kind: "status", status: 401 }, 502, "stream_credential_refused", null],
    ["refuses the account", { kind: "status", status: 403 }, 502, "stream_credential_refused", null],
    ["does not know the account", { kind: "status", status: 404 }, 502, "stream_error", null],
    [
      "refuses the creation",
      { kind: "status", status: 400, body: envelope(10005, "secret reason") },
      400,
      "stream_rejected",
      null,
    ],
    [
      "is out of storage",
      { kind: "status", status: 413, body: envelope(10011, "full") },
      429,
      "stream_storage_full",
      "3600",
    ],
    [
      "has a full queue",
      { kind: "status", status: 429, body: envelope(10005, "queued or encoding") },
      429,
      "stream_queue_full",
      "60",
    ],
    [
      "is over its request limit",
      { kind: "status", status: 429, headers: { "retry-after": "17" } },
      429,
      "stream_rate_limited",
      "17",
    ],
    ["fails", { kind: "status", status: 500, body: "<html>" }, 502, "stream_error", null],
    ["is down", { kind: "status", status: 503 }, 503, "stream_unavailable", "10"],
    [
      "redirects",
      { kind: "status", status: 307, headers: { location: "http://127.0.0.1:1/" } },
      502,
      "stream_error",
      null,
    ],
    ["answers 200", { kind: "status", status: 200, body: "{}" }, 502, "stream_error", null],
    [
      "answers with a huge body",
      { kind: "status", status: 500, body: "x".repeat(1_000_000) },
      502,
      "stream_error",
      null,
    ],
    ["breaks the connection", { kind: "reset" }, 502, "stream_unreachable", null],
    ["breaks the connection after making the video", { kind: "reset-after" }, 502, "stream_unreachable", null],
    ["does not answer in time", { kind: "latency", milliseconds: 2_000 }, 504, "stream_timeout", null],
    ["gives no Location", { kind: "location" }, 502, "stream_bad_answer", null],
    [
      "gives a Location on another host",
      { kind: "location", location: "https://evil.example/tus/1" },
      502,
      "stream_bad_answer",
      null,
    ],
    ["gives a relative Location", { kind: "location", location: "/tus/1" }, 502, "stream_bad_answer", null],
    ["gives no uid", { kind: "uid", uid: "" }, 502, "stream_bad_answer", null],
    ["gives an invalid uid", { kind: "uid", uid: "../../etc" }, 502, "stream_bad_answer", null],
  ])("%s, maps the error for the client", async (_, fault, status, code, retryAfter) => {
    harness.stream.addFault({ on: "create", kind: "reset", ...fault });
    const answer = await post();
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([status, retryAfter]);
    expect(answer.headers.get("location")).toBeNull();
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({ code, success: false });
    expect(text).not.toContain("secret reason");
    // One call only: a repeated creation may be a second video.
    expect(harness.stream.creations()).toHaveLength(1);
  });

  it.each([
    [200, "unknown"],
    [307, "unknown"],
    [400, "refused"],
    [401, "refused"],
    [429, "refused"],
    [500, "unknown"],
    [504, "unknown"],
  ])("answers %i, logs the outcome %s", async (status, outcome) => {
    harness.stream.addFault({ on: "create", kind: "status", status });
    const id = (await post()).headers.get("x-request-id") ?? "";
    await expect.poll(() => harness.log.find((line) => line.includes(id))).toContain(`"upstreamOutcome":"${outcome}"`);
  });

  it("joins two Locations, returns the one that is an upload URL", async () => {
    harness.stream.addFault({ on: "create", kind: "location", location: "https://other.example/x, {url}" });
    const answer = await post();
    expect(answer.status).toBe(201);
    expect(answer.headers.get("location")).toMatch(
      new RegExp(`^http://${harness.stream.uploadHost}/tus/\\w+\\?tusv2=true$`),
    );
  });

  it("has no storage or calls left, tells all tenants to wait", async () => {
    expect((await post()).status).toBe(201);
    const full = await post();
    expect([full.status, (await problemOf(full)).code]).toEqual([429, "stream_storage_full"]);
    harness.stream.reset();
    const codes = new Set<string>();
    for (let call = 0; call < 52; call++) {
      const answer = await post();
      codes.add(answer.status === 201 ? "created" : (await problemOf(answer)).code);
    }
    expect([...codes]).toEqual(["created", "stream_storage_full", "stream_rate_limited", "upstream_busy"]);
  });
});

describe("POST /v1/:tenant/uploads on a separate upstream", () => {
  it("sends the upstream's own credential, a token or a global key", async () => {
    const { apiBase, accountId, uploadHost, email, globalKey } = harness.stream;
    await harness.operator("PUT", "/upstreams/eu?check=false", {
      accountId,
      apiBase,
      uploadHosts: [uploadHost],
      apiEmail: email,
      apiKey: globalKey,
    });
    const euKey = await harness.tenant("eu-tenant", { upstream: "eu" });
    expect((await create(harness.url, "eu-tenant", bearer(euKey))).status).toBe(201);
    const sent = sentToStream(harness.stream);
    expect([sent["x-auth-email"], sent["x-auth-key"], sent["authorization"]]).toEqual([email, globalKey, undefined]);
  });

  it("checks the upstream of the environment and others on request", async () => {
    expect(await harness.operator("POST", "/upstreams/default/check")).toMatchObject({ ok: true });
    const { apiBase, accountId } = harness.stream;
    await harness.operator("PUT", "/upstreams/wrong?check=false", { accountId, apiBase, apiToken: "wrong" });
    expect(await harness.operator("POST", "/upstreams/wrong/check")).toMatchObject({
      ok: false,
      problem: { code: "upstream_credential_refused" },
    });
  });

  it("returns 502 to its tenants only, when it cannot be reached", async () => {
    await harness.operator("PUT", "/upstreams/dead?check=false", {
      accountId: "a",
      apiBase: "http://127.0.0.1:9",
      apiToken: "t",
    });
    const deadKey = await harness.tenant("dead-tenant", { upstream: "dead" });
    const answer = await create(harness.url, "dead-tenant", bearer(deadKey));
    expect([answer.status, (await problemOf(answer)).code]).toEqual([502, "stream_unreachable"]);
    expect((await post()).status).toBe(201);
  });
});
