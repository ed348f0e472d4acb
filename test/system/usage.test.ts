import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { hmacIssuer } from "../support/hmac-issuer.ts";
import { bearer, create } from "../support/http.ts";

let harness: TestGateway;
let key: string;
const limits = { pending: 9, pendingPerCreator: 5, rate: { creator: 60 } };

beforeAll(async () => {
  harness = await startTestGateway();
  key = await harness.tenant("acme", { limits });
  await harness.operator("PUT", "/issuers/idp", {
    ...hmacIssuer.document,
    tenant: { fixed: "acme" },
    subject: { namespace: "tenant" },
    scopes: ["usage:read"],
  });
  for (const creator of ["user-1", "user-1", "user-2"])
    await create(harness.url, "acme", { ...bearer(key), "Upload-Creator": creator, "Upload-Metadata": DURATION });
});
afterAll(() => harness.stop());

const DURATION = `maxdurationseconds ${btoa("60")}`;

async function usage(query: string, credential = key) {
  const answer = await fetch(`${harness.url}/v1/acme/usage${query}`, { headers: bearer(credential) });
  return { status: answer.status, body: (await answer.json()) as object };
}

const monthOf = (offset: number) => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1)).toISOString().slice(0, 7);
};

describe("GET /v1/:tenant/usage?month=", () => {
  it("returns what the month used of its quota, for the current month and 13 before", async () => {
    expect(await usage(`?month=${monthOf(0)}`)).toEqual({
      status: 200,
      body: { tenant: "acme", month: monthOf(0), usage: { uploads: 3, bytes: 3_000, seconds: 180 } },
    });
    for (const offset of [-1, -13])
      expect(await usage(`?month=${monthOf(offset)}`)).toMatchObject({
        status: 200,
        body: { usage: { uploads: 0, bytes: 0, seconds: 0 } },
      });
  });

  it.each([-14, 1])("returns 404 for a month whose totals are not kept: %d from now", async (offset) => {
    const body = { code: "not_found", key: "month", detail: expect.stringContaining(monthOf(offset)) };
    expect(await usage(`?month=${monthOf(offset)}`)).toMatchObject({ status: 404, body });
  });
});

describe("GET /v1/:tenant/usage?creator=", () => {
  it("returns what the creator uses now", async () => {
    expect(await usage("?creator=user-1")).toEqual({
      status: 200,
      body: {
        tenant: "acme",
        creator: "user-1",
        usage: { pending: 2, videos: 0, storedSeconds: 120 },
        limits,
      },
    });
    expect(await usage("?creator=nobody")).toMatchObject({
      body: { usage: { pending: 0, videos: 0, storedSeconds: 0 } },
    });
  });

  it("says which limits count no upload without a person, to a caller without one", async () => {
    const { body } = await usage("");
    const names = ["/limits/pendingPerCreator", "/limits/rate/creator"];
    expect(body).toMatchObject({ warnings: names.map((pointer) => ({ pointer, code: "limit_not_counted" })) });
    expect((await usage("", await hmacIssuer.sign("user-2"))).body).not.toHaveProperty("warnings");
  });

  it("shows an end user only what that user uses", async () => {
    const token = await hmacIssuer.sign("user-2");
    expect(await usage("?creator=user-2", token)).toMatchObject({ body: { usage: { pending: 1, storedSeconds: 60 } } });
    expect(await usage("?creator=user-1", token)).toMatchObject({ body: { usage: { pending: 0, storedSeconds: 0 } } });
  });
});

describe("GET /v1/:tenant/usage", () => {
  it.each([
    "?months=2026-01",
    "?month=2026-13",
    "?month=2026-1",
    "?month=2026-01-01",
    "?month=",
    "?creator=",
    "?creator=a&creator=b",
    "?month=2026-01&creator=user-1",
  ])("returns 400 for %s", async (query) => {
    expect(await usage(query)).toMatchObject({ status: 400, body: { code: "bad_request" } });
  });
});
