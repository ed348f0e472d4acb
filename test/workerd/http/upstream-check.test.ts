import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, inject, it } from "vitest";
import { injectFault, requestsToStream, stubResponse } from "../support/local-stream-fixture.ts";
import { asOperator, codeOf } from "../support/worker.ts";

const { url, accountId, apiBase, uploadHost, token } = inject("stream");
const UPSTREAM = { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token };
const PATH = "/upstreams/checked";

const json = async (response: Promise<Response>) => (await response).json<Record<string, unknown>>();
const put = (change: object = {}, query = "") => asOperator("PUT", `${PATH}${query}`, { ...UPSTREAM, ...change });
const check = (id = "checked") => asOperator("POST", `/upstreams/${id}/check`);
const calls = async () => (await requestsToStream()).map((request) => `${request.method} ${request.url}`);
const ONE_CALL = [`GET /client/v4/accounts/${accountId}/stream?limit=1`];

beforeEach(async () => void (await fetch(`${url}/_control/reset`, { method: "POST" })));

describe("PUT /admin/v1/upstreams/:id", () => {
  it("asks Stream with one call, and stores what Stream accepts", async () => {
    const created = await put();
    expect(created.status).toBe(201);
    expect(await created.json()).toMatchObject({ id: "checked", accountId, warnings: [] });
    expect(await calls()).toEqual(ONE_CALL);
    expect(await json(asOperator("GET", PATH))).not.toHaveProperty("warnings");
  });

  it.each([
    ["a wrong token", { apiToken: "wrong-token" }, "upstream_credential_refused"],
    [
      "a wrong global key",
      { apiToken: undefined, apiEmail: "a@b.example", apiKey: "wrong-token" },
      "upstream_credential_refused",
    ],
    ["an unknown account", { accountId: "0".repeat(32) }, "upstream_account_unknown"],
  ])("refuses %s and stores nothing", async (_, change, code) => {
    const refused = await put(change);
    expect(refused.status).toBe(422);
    const text = await refused.text();
    expect(JSON.parse(text)).toMatchObject({ code, success: false });
    expect(text).not.toContain("wrong-token");
    expect((await asOperator("GET", PATH)).status).toBe(404);
    expect(await env.DB.prepare("SELECT count(*) AS n FROM audit WHERE target = 'checked'").first("n")).toBe(0);
  });

  it("keeps what is stored when the new credential is refused", async () => {
    await put();
    expect(await codeOf(put({ apiToken: "wrong-token", callsPerWindow: 7 }))).toBe("upstream_credential_refused");
    expect(await json(check())).toMatchObject({ ok: true });
    expect(await json(asOperator("GET", PATH))).not.toHaveProperty("callsPerWindow");
  });

  it.each([
    ["is down", () => injectFault({ on: "api", kind: "status", status: 500 }), {}, "stream_error"],
    ["is overloaded", () => injectFault({ on: "api", kind: "refuse", as: "unavailable" }), {}, "stream_unavailable"],
    ["limits calls", () => injectFault({ on: "api", kind: "refuse", as: "rate" }), {}, "stream_rate_limited"],
    ["breaks off", () => injectFault({ on: "api", kind: "reset" }), {}, "stream_unreachable"],
    ["cannot be reached", () => undefined, { apiBase: "http://127.0.0.1:9" }, "stream_unreachable"],
    [
      "is another server",
      () => injectFault({ on: "api", kind: "status", status: 200, body: "<p>" }),
      {},
      "stream_bad_answer",
    ],
  ])("stores the document with a warning if Stream %s", async (_, prepare, change, reason) => {
    await prepare();
    const stored = await put(change);
    expect(stored.status).toBe(201);
    expect(await stored.json()).toMatchObject({
      warnings: [{ pointer: "", code: "upstream_unchecked", detail: expect.stringContaining(`(${reason})`) as string }],
    });
    expect((await asOperator("GET", PATH)).status).toBe(200);
  });

  it("stores the document with a warning if the budget is spent", async () => {
    await put({ callsPerWindow: 1 });
    expect(await json(put({ callsPerWindow: 1 }))).toMatchObject({
      warnings: [{ detail: expect.stringContaining("(upstream_busy)") as string }],
    });
    expect(await calls()).toEqual(ONE_CALL);
  });

  it("accepts an account whose newest video has a long description", async () => {
    const result = [{ uid: "0".repeat(32), meta: { notes: "x".repeat(200_000) } }];
    await stubResponse(200, { success: true, result });
    expect(await json(put())).toMatchObject({ warnings: [] });
  });

  it("does not ask Stream with ?check=false", async () => {
    const created = await put({ apiToken: "wrong-token" }, "?check=false");
    expect(created.status).toBe(201);
    expect(await created.json()).toMatchObject({ id: "checked", warnings: [] });
    expect(await calls()).toEqual([]);
    expect((await put({}, "?check=true")).status).toBe(200);
    expect(await calls()).toEqual(ONE_CALL);
    expect(await codeOf(put({}, "?check=no"))).toBe("bad_request");
    expect(await codeOf(put({}, "?chek=false"))).toBe("bad_request");
  });
});

describe("POST /admin/v1/upstreams/:id/check", () => {
  it("asks Stream with one call, and writes nothing", async () => {
    await put({}, "?check=false");
    const before = await env.DB.prepare("SELECT count(*) AS n FROM audit").first("n");
    const checked = await check();
    expect(checked.status).toBe(200);
    const { ok, checkedAt } = await checked.json<{ ok: boolean; checkedAt: string }>();
    expect(ok).toBe(true);
    expect(Math.abs(Date.parse(checkedAt) - Date.now())).toBeLessThan(10_000);
    expect(await calls()).toEqual(ONE_CALL);
    expect(await env.DB.prepare("SELECT count(*) AS n FROM audit").first("n")).toBe(before);
  });

  it.each([
    ["the credential is refused", { apiToken: "wrong-token" }, "upstream_credential_refused"],
    ["the account is unknown", { accountId: "0".repeat(32) }, "upstream_account_unknown"],
    ["Stream cannot be reached", { apiBase: "http://127.0.0.1:9" }, "stream_unreachable"],
  ])("says that %s", async (_, change, code) => {
    await put(change, "?check=false");
    const checked = await check();
    expect(checked.status).toBe(200);
    const text = await checked.text();
    expect(JSON.parse(text)).toMatchObject({ ok: false, problem: { code } });
    expect(text).not.toContain("wrong-token");
  });

  it("says that Stream limits calls, and then that the budget waits", async () => {
    await put({}, "?check=false");
    await injectFault({ on: "api", kind: "refuse", as: "rate" });
    const codes = [];
    for (let attempt = 0; attempt < 2; attempt++) codes.push(await json(check()));
    expect(codes).toMatchObject([
      { ok: false, problem: { code: "stream_rate_limited", retryAfterSeconds: 300 } },
      { ok: false, problem: { code: "upstream_busy" } },
    ]);
    expect(await calls()).toEqual(ONE_CALL);
  });

  it("is for upstreams that exist, by POST", async () => {
    expect(await codeOf(check("nobody"))).toBe("not_found");
    // The tests configure none.
    expect(await codeOf(check("default"))).toBe("not_found");
    expect(await codeOf(check("NO"))).toBe("bad_request");
    const wrong = await asOperator("GET", `${PATH}/check`);
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST"]);
  });
});
