import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { createRegistryIndex } from "../../../src/adapters/d1/registry-index.ts";
import { parseConfig } from "../../../src/config.ts";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

const json = async (answer: Response | Promise<Response>) => (await answer).json<Record<string, unknown>>();
const problemOf = (answer: Response | Promise<Response>) => json(answer) as Promise<{ code: string; detail: string }>;
const statusOf = async (answer: Promise<Response>) => (await answer).status;

const PLAN = {
  name: "Free",
  policy: { upload: { minBytes: 10, maxBytes: 1_000 }, metadata: { name: { maxLength: 9 } } },
  limits: { pending: 3, quota: { day: { bytes: 5e9, uploads: 10 } } },
};
const UPSTREAM = { accountId: "account", apiToken: "stream-token" };
const putUpstream = (id: string, more: object = {}) =>
  asOperator("PUT", `/upstreams/${id}?check=false`, { ...UPSTREAM, ...more });

describe("plans of the admin API", () => {
  it("creates, replaces, reads, lists and deletes a plan, and records it in the audit", async () => {
    const created = await asOperator("PUT", "/plans/free", PLAN);
    expect(created.status).toBe(201);
    const document = await json(created);
    expect(document).toMatchObject({ id: "free", ...PLAN });
    expect(document).not.toHaveProperty("upstream");
    expect(document["warnings"]).toMatchObject([{ pointer: "/policy/upload/maxBytes", code: "basic_links_refused" }]);
    expect(await json(asOperator("GET", "/plans/free"))).toEqual(document);

    expect(await statusOf(putUpstream("eu"))).toBe(201);
    const replaced = await asOperator("PUT", "/plans/free", { policy: {}, limits: {}, upstream: "eu" });
    expect(replaced.status).toBe(200);
    expect(await replaced.json()).toEqual({
      id: "free",
      policy: {},
      limits: {},
      upstream: "eu",
      createdAt: document["createdAt"],
      updatedAt: expect.any(String) as string,
      warnings: [],
    });

    await asOperator("PUT", "/plans/pro", {});
    const [first, second] = [
      await json(asOperator("GET", "/plans?limit=1")),
      await json(asOperator("GET", "/plans?cursor=free")),
    ];
    expect(first).toMatchObject({ plans: [{ id: "free" }] });
    expect(second).toMatchObject({ plans: [{ id: "pro" }] });

    expect(await statusOf(asOperator("DELETE", "/plans/free"))).toBe(204);
    for (const method of ["GET", "DELETE"]) expect(await statusOf(asOperator(method, "/plans/free"))).toBe(404);
    const { entries } = await json(asOperator("GET", "/audit"));
    const actions = (entries as { action: string; target: string }[]).map(
      ({ action, target }) => `${action} ${target}`,
    );
    expect(actions.toReversed()).toEqual([
      "plan.put free",
      "upstream.put eu",
      "plan.put free",
      "plan.put pro",
      "plan.delete free",
    ]);
  });

  it.each<[body: object, text: string]>([
    [{ upstream: "nope" }, 'upstream: there is no upstream "nope".'],
    [{ plan: "pro" }, "unknown field"],
    [{ policy: { upload: { maxBytes: null } } }, "policy: only a tenant on a plan may have null"],
    [{ policy: { metadata: { nme: {} } } }, "policy.metadata.nme"],
    [{ limits: { pending: null } }, "limits.pending"],
  ])("refuses %j", async (body, text) => {
    const problem = await problemOf(asOperator("PUT", "/plans/free", body));
    expect(problem.code).toBe("body_invalid");
    expect(problem.detail).toContain(text);
  });

  it("does not empty a policy or limits by leaving them out", async () => {
    await asOperator("PUT", "/plans/free", PLAN);
    const problem = await problemOf(asOperator("PUT", "/plans/free", { policy: {} }));
    expect(problem.detail).toBe("limits: is required, since the plan has one that is not empty; {} empties it.");
  });

  it("refuses to delete a plan in use, and says by how many", async () => {
    await asOperator("PUT", "/plans/free", {});
    for (const id of ["acme", "other"]) await seedTenant(id, { plan: "free" });
    const refused = await asOperator("DELETE", "/plans/free");
    expect(refused.status).toBe(409);
    expect((await problemOf(refused)).detail).toBe("The plan is in use (tenants: 2, issuers: 0).");
    for (const id of ["acme", "other"]) await asOperator("PUT", `/tenants/${id}`, { plan: null });
    expect(await statusOf(asOperator("DELETE", "/plans/free"))).toBe(204);
  });
});

describe("an upstream that a plan names", () => {
  beforeEach(async () => {
    await putUpstream("eu");
    await asOperator("PUT", "/plans/free", { upstream: "eu" });
  });

  it("cannot be deleted", async () => {
    expect(await codeOf(asOperator("DELETE", "/upstreams/eu"))).toBe("conflict");
    await asOperator("DELETE", "/plans/free");
    expect(await statusOf(asOperator("DELETE", "/upstreams/eu"))).toBe(204);
  });

  it("keeps its account while tenants use it through the plan", async () => {
    const move = () => putUpstream("eu", { accountId: "another" });
    await seedTenant("acme", { plan: "free" });
    expect(await codeOf(move())).toBe("conflict");
    await seedTenant("acme", { plan: "free", upstream: "default" });
    expect(await statusOf(move())).toBe(200);
  });

  it("is that of all tenants that have no other", async () => {
    const index = createRegistryIndex(env.DB, parseConfig(env));
    await asOperator("PUT", "/plans/other", {});
    await seedTenant("a", { plan: "free" });
    await seedTenant("b", { upstream: "eu" });
    await seedTenant("c", { plan: "free", upstream: "default" });
    await seedTenant("d", { plan: "other", upstream: "eu" });
    await seedTenant("e", { plan: "other" });
    await seedTenant("f");
    const list = async (upstream: string, after = "", limit = 10) => {
      const ids = await index.listTenantIds(upstream, { after, limit });
      return ids.ok && ids.value.join("");
    };
    expect([await list("eu"), await list("default")]).toEqual(["abd", "cef"]);
    expect([await list("eu", "a", 1), await list("default", "c", 1)]).toEqual(["b", "e"]);
  });
});

describe("a tenant on a plan", () => {
  beforeEach(async () => void (await asOperator("PUT", "/plans/free", PLAN)));

  it("has its own documents, and what results under effective", async () => {
    const own = {
      policy: { upload: { maxBytes: 500, minBytes: null }, custom: { "*": { allow: ["color"] } } },
      limits: { pending: null, quota: { day: { bytes: 300 } } },
    };
    const put = await asOperator("PUT", "/tenants/acme", { plan: "free", ...own });
    expect(put.status).toBe(201);
    const document = await json(put);
    expect(document).toMatchObject({ id: "acme", plan: "free", ...own });
    expect(document).not.toHaveProperty("upstream");
    expect(document["effective"]).toEqual({
      policy: {
        upload: { maxBytes: 500 },
        metadata: { name: { maxLength: 9 } },
        custom: { "*": { allow: ["color"] } },
      },
      limits: { quota: { day: { bytes: 300, uploads: 10 } } },
      upstream: "default",
    });
    expect(await json(asOperator("GET", "/tenants/acme"))).toEqual(document);
    expect(await json(asOperator("GET", "/tenants"))).toMatchObject({
      tenants: [{ id: "acme", plan: "free", ...own }],
    });
    const plain = await json(asOperator("PUT", "/tenants/other", { limits: { pending: 4 } }));
    expect(plain["effective"]).toEqual({ policy: {}, limits: { pending: 4 }, upstream: "default" });
  });

  it("shows the effective policy, explains it by plan and tenant, and shows the effective limits", async () => {
    await putUpstream("eu");
    const key = await seedTenant("acme", { plan: "free", upstream: "eu", policy: { upload: { maxBytes: 500 } } });
    const as = (method: string, path: string, body?: object) =>
      request(method, `/v1/acme${path}`, {
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        ...(body && { body: JSON.stringify(body) }),
      });
    expect(await json(as("GET", "/policy"))).toEqual({
      tenant: "acme",
      policy: { upload: { minBytes: 10, maxBytes: 500 }, metadata: { name: { maxLength: 9 } } },
    });
    expect(await json(as("GET", "/usage"))).toMatchObject({ limits: PLAN.limits });
    const check = (length: number, name: string) => json(as("POST", "/policy/check", { length, metadata: { name } }));
    expect(await check(501, "a")).toMatchObject({
      problem: { code: "upload_too_large", limit: "policy.upload.maxBytes" },
    });
    const tooLong = await check(9, "a long name");
    expect(tooLong["explanations"]).toContainEqual(
      expect.objectContaining({ key: "length", outcome: "refused", rule: "plan.upload.minBytes" }),
    );
    expect(JSON.stringify(tooLong)).toContain("plan.metadata.name.maxLength");
  });

  it("has the plan's features and playback, except what it names itself, and mints grants by these", async () => {
    await putUpstream("eu");
    const playback = { maxSeconds: 60, accessRules: [{ type: "any", action: "block" }], downloadable: true };
    await asOperator("PUT", "/plans/free", { policy: { features: ["edit"], playback }, limits: {} });
    const mint = async (policy: object) => {
      const key = await seedTenant("acme", { plan: "free", upstream: "eu", policy, limits: {} });
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const minted = await json(
        request("POST", "/v1/acme/grants", { headers, body: JSON.stringify({ playback: true }) }),
      );
      const read = await json(request("GET", "/v1/acme/policy", { headers }));
      return {
        minted,
        policy: read["policy"],
        effective: (await json(asOperator("GET", "/tenants/acme")))["effective"],
      };
    };

    const inherited = { features: ["edit"], playback };
    expect(await mint({})).toMatchObject({
      minted: { code: "feature_not_allowed", status: 403, key: "plan.features" },
      policy: inherited,
      effective: { policy: inherited },
    });
    const { minted, ...shown } = await mint({
      features: ["playback"],
      playback: { accessRules: null, downloadable: false },
    });
    expect(minted).toMatchObject({ playback: true });
    const own = { features: ["playback"], playback: { maxSeconds: 60, downloadable: false } };
    expect(shown).toMatchObject({ policy: own, effective: { policy: own } });
    expect((await mint({ features: null })).policy).toEqual({ playback });
  });

  it("refuses creations where plan and tenant contradict each other, and nothing else", async () => {
    await putUpstream("eu");
    const key = await seedTenant("acme", { plan: "free", upstream: "eu", policy: { upload: { maxBytes: 5 } } });
    const headers = { authorization: `Bearer ${key}` };
    const create = () =>
      request("POST", "/v1/acme/uploads", { headers: { ...headers, "tus-resumable": "1.0.0", "upload-length": "7" } });
    const refused = await create();
    expect([refused.status, await codeOf(refused)]).toEqual([403, "policy_conflict"]);
    for (const path of ["uploads", "usage", "policy"])
      expect(await statusOf(request("GET", `/v1/acme/${path}`, { headers })), path).toBe(200);
    const { warnings } = await json(asOperator("GET", "/tenants/acme"));
    expect(warnings).toContainEqual({
      pointer: "/effective/policy",
      code: "policy_conflict",
      detail: "This policy can never allow an upload: minBytes is 10, and maxBytes is 5.",
    });
    const check = () =>
      request("POST", "/v1/acme/policy/check", {
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify({ length: 5 }),
      });
    expect(await json(check())).toMatchObject({ allowed: false, problem: { code: "policy_conflict", status: 403 } });
    await asOperator("PUT", "/plans/free", { policy: {}, limits: {} });
    expect(await json(check())).toMatchObject({ allowed: true });
  });

  it("has warnings with pointers into effective", async () => {
    await asOperator("PUT", "/plans/free", { policy: {}, limits: { pending: 0 } });
    const { warnings } = await json(
      asOperator("PUT", "/tenants/acme", { plan: "free", limits: { rate: { tenant: 0 } } }),
    );
    expect((warnings as { pointer: string }[]).map(({ pointer }) => pointer)).toEqual([
      "/effective/limits/pending",
      "/effective/limits/rate/tenant",
    ]);
  });

  it.each<[body: object, text: string]>([
    [{ plan: "nope" }, 'plan: there is no plan "nope".'],
    [{ plan: "free", upstream: "nope" }, 'upstream: there is no upstream "nope".'],
    [{ plan: "No" }, "plan"],
    [{ policy: { creator: null } }, "policy: only a tenant on a plan may have null"],
    [{ plan: null, limits: { quota: { day: { bytes: null } } } }, "limits: only a tenant on a plan may have null"],
    [{ plan: "free", limits: { quota: null } }, "limits.quota"],
    [{ plan: "free", policy: { upload: null } }, "policy.upload"],
    [{ plan: "free", policy: { metadata: { name: { maxLength: null } } } }, "policy.metadata.name.maxLength"],
  ])("refuses %j", async (body, text) => {
    const problem = await problemOf(asOperator("PUT", "/tenants/acme", body));
    expect(problem.code).toBe("body_invalid");
    expect(problem.detail).toContain(text);
  });

  it("does not lose its plan, policy or limits by leaving them out", async () => {
    const own = { policy: { origins: null }, limits: { pending: null } };
    await asOperator("PUT", "/tenants/acme", { plan: "free", ...own });
    const detail = async (body: object) => (await problemOf(asOperator("PUT", "/tenants/acme", body))).detail;
    expect(await detail(own)).toContain("only a tenant on a plan");
    expect(await detail({ policy: {}, limits: {} })).toBe(
      "plan: is required, since the tenant is on free; null takes it off.",
    );
    expect(await detail({ plan: "free", policy: {} })).toContain("limits: is required");
    expect(await detail({ plan: "free", limits: {} })).toContain("policy: is required");
    expect(await statusOf(asOperator("PUT", "/tenants/acme", { plan: null, policy: {}, limits: {} }))).toBe(200);
    expect(await json(asOperator("GET", "/tenants/acme"))).not.toHaveProperty("plan");
    expect(await statusOf(asOperator("PUT", "/tenants/acme", {}))).toBe(200);
  });

  it("is checked by the maxima of the plan's upstream", async () => {
    await putUpstream("eu", { maxUploadBytes: 100 });
    await asOperator("PUT", "/plans/free", { policy: {}, limits: {}, upstream: "eu" });
    const body = { plan: "free", policy: { upload: { maxBytes: 101 } } };
    expect((await problemOf(asOperator("PUT", "/tenants/acme", body))).detail).toContain("must be at most 100");
    expect(await statusOf(asOperator("PUT", "/tenants/acme", { ...body, upstream: "default" }))).toBe(201);
  });
});
