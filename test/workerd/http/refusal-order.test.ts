import { beforeEach, describe, expect, it } from "vitest";
import { ROUTES, type Route, requestTo } from "../../support/route-table.ts";
import { codeOf, request, seedTenant } from "../support/worker.ts";

/** The order of checks on every route: method, credential, query, body. */

let key: string;
beforeEach(async () => {
  key = await seedTenant("acme");
});

let calls = 0;

/** @returns status and code of the problem */
async function refusal(route: Route, query: string, init: RequestInit): Promise<[number, string]> {
  const path = route.path.replace(":tenant", "acme").replace(":id", "0");
  const [url, request_] = requestTo(route, path.split("?")[0] + query, {
    // Each call has its own address: failed attempts are limited per address.
    "CF-Connecting-IP": `10.1.${calls >> 8}.${calls++ & 255}`,
    ...(init.headers as Record<string, string> | undefined),
  });
  const method = init.method ?? route.method;
  const answer = await request(method, url, { ...request_, ...init, headers: request_.headers ?? {}, method });
  return [answer.status, await codeOf(answer)];
}

const withBody = ROUTES.filter((route) => "body" in route);
const direct = withBody.filter(({ scope }) => scope === "uploads:create");
const withQuery = ROUTES.filter(({ method, path }) => method === "GET" && !/policy|:id$/.test(path));
const invalid = { authorization: "Bearer junk" };

describe.each(ROUTES)("$method $path", (route) => {
  it("returns 405 for another method before it requires a credential", async () => {
    expect(await refusal(route, "?x=1", { method: "PROPFIND", body: "{" })).toEqual([405, "method_not_allowed"]);
  });
});

describe.each(withQuery)("$method $path", (route) => {
  it("returns 401 for a bad query without a credential", async () => {
    expect(await refusal(route, "?x=1", {})).toEqual([401, "credential_missing"]);
  });

  it("returns 400 for a bad query with a credential", async () => {
    const headers = { authorization: `Bearer ${key}` };
    expect(await refusal(route, "?x=1", { headers })).toEqual([400, "bad_request"]);
  });
});

describe.each(withBody)("$method $path", (route) => {
  it.each(["{", '{"x":1}', "x".repeat(70_000)])(
    "returns 401 for a bad body with an invalid credential",
    async (body) => {
      expect(await refusal(route, "", { headers: invalid, body })).toEqual([401, "credential_invalid"]);
    },
  );

  it("returns 400 for a bad body with a credential", async () => {
    const headers = { authorization: `Bearer ${key}` };
    expect(await refusal(route, "", { headers, body: "{" })).toEqual([400, "body_invalid"]);
  });
});

describe.each(withBody.filter((route) => !direct.includes(route)))("$method $path", (route) => {
  it("returns 401 for a bad body without a credential", async () => {
    expect(await refusal(route, "", { body: "{" })).toEqual([401, "credential_missing"]);
  });
});

describe.each(direct)("$method $path", (route) => {
  it("reads the body without Authorization, since the body may contain a grant", async () => {
    expect(await refusal(route, "", { body: "{" })).toEqual([400, "body_invalid"]);
    expect(await refusal(route, "", { body: "{}" })).toEqual([401, "credential_missing"]);
    expect(await refusal(route, "", { body: '{"meta":{"grant":"junk"}}' })).toEqual([401, "credential_invalid"]);
  });
});

describe("POST /hooks/stream/:upstream", () => {
  const hook = async (method: string, body: string | null) => {
    const answer = await request(method, "/hooks/stream/default", { body });
    return [answer.status, await codeOf(answer)];
  };

  it("returns 405 for another method before it requires a signature", async () => {
    expect(await hook("PUT", "{")).toEqual([405, "method_not_allowed"]);
  });

  it("returns 403 for a bad body without a signature", async () => {
    expect(await hook("POST", "{")).toEqual([403, "webhook_signature_invalid"]);
    expect(await hook("POST", "x".repeat(300_000))).toEqual([403, "webhook_signature_invalid"]);
  });
});
