import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type TestGateway, sentToStream, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";

/** What a tenant's limits can never admit is refused for good, by creations and dry runs alike; `PUT` warns of it. */

let harness: TestGateway;

beforeAll(async () => {
  harness = await startTestGateway();
});
afterAll(() => harness.stop());
beforeEach(() => harness.stream.reset());

const GB = 1_000_000_000;
let tenants = 0;

async function newTenant(limits: object, more: object = {}) {
  const id = `limits-${++tenants}`;
  const key = await harness.tenant(id, { limits, ...more });
  const post = (path: string, body: object) =>
    fetch(`${harness.url}/v1/${id}${path}`, {
      method: "POST",
      headers: { ...bearer(key), "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  return {
    id,
    create: (length: number, metadata: Record<string, string> = {}) =>
      create(harness.url, id, {
        ...bearer(key),
        "Upload-Length": String(length),
        "Upload-Metadata": metadataHeader(metadata),
      }),
    basicLink: (body: object = {}) => post("/direct-uploads", body),
    check: async (body: object) =>
      (await (await post("/policy/check", body)).json()) as {
        allowed: boolean;
        limits: object[];
        problem?: object;
        maxDurationSeconds?: number;
      },
    usage: async () => {
      const answer = await fetch(`${harness.url}/v1/${id}/usage`, { headers: bearer(key) });
      return ((await answer.json()) as { usage: Record<string, unknown> }).usage;
    },
  };
}

async function expectFinal(answer: Response, status: number, problem: object) {
  expect(answer.status).toBe(status);
  expect(answer.headers.get("retry-after")).toBeNull();
  const body = await problemOf(answer);
  expect(body).toMatchObject({ status, ...problem });
  expect(body).not.toHaveProperty("used");
  expect(harness.stream.requests()).toEqual([]);
}

describe("a creation that a limit can never admit", () => {
  it("is a 413 for bytes: 5 GB against 1 GB a month", async () => {
    const tenant = await newTenant({ quota: { month: { bytes: GB } } });
    const problem = {
      code: "upload_too_large",
      limit: "quota.month.bytes",
      allowed: GB,
      requested: 5 * GB,
    };
    await expectFinal(await tenant.create(5 * GB), 413, problem);
    expect(await tenant.check({ length: 5 * GB })).toMatchObject({
      allowed: false,
      problem: { status: 413, ...problem },
    });
    expect(await tenant.usage()).toMatchObject({ pending: 0, month: { uploads: 0 } });
    expect((await tenant.create(GB)).status).toBe(201);
    // Now waiting for the next month does help.
    const later = await tenant.create(GB);
    expect([later.status, Number(later.headers.get("retry-after")) > 0]).toEqual([429, true]);
  });

  it("is a 413 for a basic link, which counts 200 MB, against 100 MB a day", async () => {
    const tenant = await newTenant({ quota: { day: { bytes: 100_000_000 } } });
    await expectFinal(await tenant.basicLink(), 413, {
      code: "upload_too_large",
      limit: "quota.day.bytes",
      allowed: 100_000_000,
      requested: 200_000_000,
      detail: expect.stringContaining("create the upload by tus"),
    });
    expect((await tenant.create(1_000)).status).toBe(201);
  });

  it.each([
    [{ storedSeconds: 600 }, "storedSeconds", 600, 7_200],
    [{ quota: { day: { seconds: 600 } } }, "quota.day.seconds", 600, 7_200],
    [{ pending: 0 }, "pending", 0, 1],
    [{ quota: { month: { uploads: 0 } } }, "quota.month.uploads", 0, 1],
    [{ rate: { tenant: 0 } }, "rate.tenant", 0, 1],
  ])("is a 403 for seconds and for a limit of 0: %j", async (limits, limit, allowed, requested) => {
    const tenant = await newTenant(limits);
    const problem = { code: "limit_too_small", limit, allowed, requested };
    const metadata = { maxdurationseconds: "7200" };
    await expectFinal(await tenant.create(1_000, metadata), 403, problem);
    await expectFinal(await tenant.basicLink({ maxDurationSeconds: 7_200 }), 403, problem);
    expect(await tenant.check({ length: 1_000, metadata })).toMatchObject({
      allowed: false,
      problem: { status: 403, ...problem },
    });
  });
});

describe("maxdurationseconds that nobody sets", () => {
  it("is at most what the limits allow, and does not shrink with what is left of them", async () => {
    const tenant = await newTenant({ storedSeconds: 900, quota: { day: { seconds: 2_000 } } });
    expect(await tenant.check({ length: 1_000 })).toMatchObject({ allowed: true, maxDurationSeconds: 900 });
    expect((await tenant.create(1_000)).status).toBe(201);
    expect(sentToStream(harness.stream)["upload-metadata"]).toContain(metadataHeader({ maxdurationseconds: "900" }));
    expect((await problemOf(await tenant.create(1_000))).code).toBe("limit_exceeded");
  });
});

describe("POST /v1/:tenant/policy/check", () => {
  it("lists the limits that count the creation, with what is used of them, and counts nothing", async () => {
    const limits = {
      pending: 2,
      pendingPerCreator: 1,
      storedSeconds: 20_000,
      rate: { tenant: 2, creator: 2 },
      quota: { day: { bytes: 1_500, uploads: 5 }, month: { seconds: 16_000 } },
    };
    const tenant = await newTenant(limits);
    expect((await tenant.create(1_000, { maxdurationseconds: "15000" })).status).toBe(201);
    for (let times = 0; times < 3; times++)
      expect(await tenant.check({ length: 1_000, creator: "user-1" })).toMatchObject({
        allowed: true,
        limits: [
          { name: "pending", used: 1, allowed: 2, requested: 1, admitted: true },
          { name: "pendingPerCreator", used: 0, allowed: 1, requested: 1, admitted: true },
          { name: "storedSeconds", used: 15_000, allowed: 20_000, requested: 14_400, admitted: false },
          { name: "rate.tenant", used: 1, allowed: 2, requested: 1, admitted: true },
          { name: "rate.creator", used: 0, allowed: 2, requested: 1, admitted: true },
          { name: "quota.day.uploads", used: 1, allowed: 5, requested: 1, admitted: true },
          { name: "quota.day.bytes", used: 1_000, allowed: 1_500, requested: 1_000, admitted: false },
          { name: "quota.month.seconds", used: 15_000, allowed: 16_000, requested: 14_400, admitted: false },
        ],
      });
    expect((await tenant.check({ length: 400, metadata: { maxdurationseconds: "60" } })).limits).toHaveLength(6);
    expect((await tenant.check({ length: 5_000 })).limits).toContainEqual({
      name: "quota.day.bytes",
      used: 1_000,
      allowed: 1_500,
      requested: 5_000,
      admitted: false,
    });
    expect((await tenant.check({ length: 1, metadata: { watermark: "x".repeat(99) } })).limits).toEqual([]);
  });
});

describe("PUT and GET /admin/v1/tenants/:id", () => {
  it("answer with warnings in one form", async () => {
    const limits = { quota: { day: { uploads: 9 }, month: { uploads: 5 } } };
    const answer = await harness.operator("PUT", "/tenants/warned", { limits });
    expect(answer["warnings"]).toEqual([
      {
        pointer: "/limits/quota/day/uploads",
        code: "limit_without_effect",
        detail: "quota.day.uploads has no effect: quota.month.uploads is lower.",
        found: 9,
        nearest: 5,
      },
    ]);
    expect(await harness.operator("GET", "/tenants/warned")).toEqual(answer);
    expect((await harness.operator("PUT", "/tenants/warned", { limits: {} }))["warnings"]).toEqual([]);
  });
});

describe("maxUploadBytes and maxVideoSeconds of an upstream", () => {
  async function upstream(id: string, maxima: object) {
    const { apiBase, accountId, uploadHost, token } = harness.stream;
    const document = { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token, ...maxima };
    expect(await harness.operator("PUT", `/upstreams/${id}?check=false`, document)).toMatchObject(maxima);
  }
  const maxSize = async (tenant: string) => {
    const answer = await fetch(`${harness.url}/v1/${tenant}/uploads`, { method: "OPTIONS" });
    return answer.headers.get("tus-max-size");
  };

  it("replace Stream's 30 GB and 36,000 seconds, also in policies and discovery", async () => {
    await upstream("large", { maxUploadBytes: 100 * GB, maxVideoSeconds: 86_400 });
    const usual = await newTenant({});
    const raised = await newTenant({}, { upstream: "large", policy: { upload: { maxBytes: 60 * GB } } });
    expect([await maxSize(usual.id), await maxSize(raised.id), await maxSize("nobody")]).toEqual([
      String(30 * GB),
      String(60 * GB),
      String(30 * GB),
    ]);
    const limited = await newTenant({ quota: { day: { bytes: 5 * GB }, month: { bytes: 2 * GB } } });
    expect(await maxSize(limited.id)).toBe(String(2 * GB));
    await expectFinal(await usual.create(31 * GB), 413, {
      code: "upload_too_large",
      limit: "stream.length",
      allowed: 30 * GB,
      requested: 31 * GB,
    });
    expect(await raised.check({ length: 31 * GB, metadata: { maxdurationseconds: "86400" } })).toMatchObject({
      allowed: true,
      maxDurationSeconds: 86_400,
    });
    // The local Stream takes 30 GB at most: the gateway has let it through.
    expect((await problemOf(await raised.create(31 * GB))).code).toBe("stream_rejected");
    expect(await raised.check({ length: 61 * GB })).toMatchObject({
      allowed: false,
      problem: { code: "upload_too_large", limit: "policy.upload.maxBytes", allowed: 60 * GB, requested: 61 * GB },
    });
  });

  it("below the usual ones bound the default and every creation", async () => {
    await upstream("small", { maxUploadBytes: 5_000, maxVideoSeconds: 300 });
    const tenant = await newTenant({}, { upstream: "small" });
    expect(await tenant.check({ length: 5_000 })).toMatchObject({ allowed: true, maxDurationSeconds: 300 });
    await expectFinal(await tenant.create(5_001), 413, { code: "upload_too_large", limit: "stream.length" });
    for (const policy of [{ metadata: { maxdurationseconds: { max: 600 } } }, { upload: { maxBytes: 6_000 } }])
      await expect(harness.operator("PUT", `/tenants/${tenant.id}`, { upstream: "small", policy })).rejects.toThrow(
        "body_invalid",
      );
  });
});
