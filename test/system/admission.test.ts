import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";

let harness: TestGateway;

beforeAll(async () => {
  harness = await startTestGateway();
});
afterAll(() => harness.stop());
beforeEach(() => harness.stream.reset());

let tenants = 0;

/** A tenant of its own for each test, so that none counts for another. */
async function newTenant(document: object = {}) {
  const id = `tenant-${++tenants}`;
  const key = await harness.tenant(id, document);
  const post = (headers: Record<string, string> = {}) => create(harness.url, id, { ...bearer(key), ...headers });
  const usage = async () => {
    const answer = await fetch(`${harness.url}/v1/${id}/usage`, { headers: bearer(key) });
    return ((await answer.json()) as { usage: { pending: number; day: { uploads: number } } }).usage;
  };
  return { id, key, post, usage };
}

const codeOf = async (answer: Response) => (answer.status === 201 ? "created" : (await problemOf(answer)).code);

describe("limits", () => {
  it("of 50 pending uploads admit 50 of 200 that come at once", async () => {
    const { post, usage } = await newTenant({ limits: { pending: 50 } });
    // So that the tenant and its key are known: not all of them have to be looked up at once.
    await usage();
    const codes = await Promise.all(Array.from({ length: 200 }, () => post().then(codeOf)));
    expect(new Set(codes)).toEqual(new Set(["created", "limit_exceeded"]));
    expect(codes.filter((code) => code === "created")).toHaveLength(50);
    expect(harness.stream.videos()).toHaveLength(50);
    expect(await usage()).toMatchObject({ pending: 50, day: { uploads: 50 } });
  });

  it("are told with how they stand, and when to come again", async () => {
    const { post } = await newTenant({ limits: { rate: { tenant: 1 } } });
    const first = await post();
    expect(first.headers.get("ratelimit-policy")).toBe('"creations";q=1;w=60');
    expect(first.headers.get("ratelimit")).toBe('"creations";r=0;t=60');
    const refused = await post();
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(50);
    expect(refused.headers.get("ratelimit-policy")).toBe('"creations";q=1;w=60');
    expect(refused.headers.get("ratelimit")).toBe(`"creations";r=0;t=${refused.headers.get("retry-after")}`);
    expect(await refused.json()).toMatchObject({ code: "limit_exceeded", limit: "rate.tenant", used: 1, allowed: 1 });
  });

  it("are not spent by creations that Stream refused", async () => {
    const { post, usage } = await newTenant({ limits: { pending: 1 } });
    harness.stream.addFault({ on: "create", kind: "status", status: 400 });
    expect(await codeOf(await post())).toBe("stream_rejected");
    expect(await usage()).toMatchObject({ pending: 0, day: { uploads: 0 } });
    expect(await codeOf(await post())).toBe("created");
  });

  it("of a minute are spent by creations that Stream refused, since each has cost a call", async () => {
    const { post } = await newTenant({ limits: { rate: { creator: 2 } } });
    for (const code of ["stream_rejected", "stream_rejected", "limit_exceeded"]) {
      harness.stream.addFault({ on: "create", kind: "status", status: 400 });
      expect(await codeOf(await post({ "Upload-Creator": "user-1" }))).toBe(code);
    }
    expect(harness.stream.requests()).toHaveLength(2);
  });

  it("are held by creations whose outcome nobody knows", async () => {
    const { post, usage } = await newTenant({ limits: { pending: 1 } });
    harness.stream.addFault({ on: "create", kind: "reset-after" });
    expect(await codeOf(await post())).toBe("stream_unreachable");
    expect(await usage()).toMatchObject({ pending: 1 });
    expect(await codeOf(await post())).toBe("limit_exceeded");
  });
});

describe("idempotency", () => {
  it("makes 20 videos of 20 creations that come ten times each, at once", async () => {
    const { post, usage } = await newTenant();
    await usage();
    const keys = Array.from({ length: 20 }, () => randomUUID());
    const once = async (key: string): Promise<string> => {
      for (;;) {
        const answer = await post({ "Idempotency-Key": key });
        if (answer.status === 201) return answer.headers.get("stream-media-id") ?? "";
        expect([answer.status, await codeOf(answer)]).toEqual([409, "creation_in_progress"]);
      }
    };
    const uids = await Promise.all(keys.flatMap((key) => Array.from({ length: 10 }, () => once(key))));
    expect(new Set(uids).size).toBe(20);
    expect(harness.stream.videos()).toHaveLength(20);
    for (let index = 0; index < 20; index++) expect(new Set(uids.slice(index * 10, index * 10 + 10)).size).toBe(1);
  });

  it("gives the same upload again, says so, and asks Stream once", async () => {
    const { post } = await newTenant();
    const metadata = { "Idempotency-Key": "a key", "Upload-Metadata": metadataHeader({ name: "cats" }) };
    const [first, second] = [await post(metadata), await post(metadata)];
    for (const header of ["location", "stream-media-id", "sluice-upload-id", "upload-expires"])
      expect([header, second.headers.get(header)]).toEqual([header, first.headers.get(header)]);
    expect([first, second].map((answer) => answer.headers.get("idempotency-replayed"))).toEqual([null, "true"]);
    expect(harness.stream.requests()).toHaveLength(1);

    const other = await post({ ...metadata, "Upload-Length": "7" });
    expect([other.status, await codeOf(other)]).toEqual([422, "idempotency_key_reused"]);
  });

  it("is per caller: two who choose the same key do not meet", async () => {
    const [a, b] = [await newTenant(), await newTenant()];
    const headers = { "Idempotency-Key": "1" };
    const uid = async (answer: Promise<Response>) => (await answer).headers.get("stream-media-id");
    expect(await uid(a.post(headers))).not.toBe(await uid(b.post(headers)));
    const second = await harness.operator("POST", `/tenants/${a.id}/keys`, { name: "second" });
    const other = create(harness.url, a.id, { ...bearer(second["key"] ?? ""), ...headers });
    expect(await uid(other)).not.toBe(await uid(a.post(headers)));
  });

  it("of a grant needs no key: one upload, whatever comes again", async () => {
    const { id, key } = await newTenant();
    const minted = await fetch(`${harness.url}/v1/${id}/grants`, {
      method: "POST",
      headers: { ...bearer(key), "Content-Type": "application/json" },
      body: "{}",
    });
    const { grant } = (await minted.json()) as { grant: string };
    const upload = (more = {}) => create(harness.url, id, { "Upload-Metadata": metadataHeader({ grant }), ...more });
    expect((await upload()).status).toBe(201);
    expect((await upload({ "Idempotency-Key": "x" })).headers.get("idempotency-replayed")).toBe("true");
    expect((await upload({ "Upload-Length": "7" })).status).toBe(422);
    expect(harness.stream.videos()).toHaveLength(1);
  });

  it.each(["", "ä", "x".repeat(256)])("has no key %j", async (key) => {
    const { post } = await newTenant();
    expect(await codeOf(await post({ "Idempotency-Key": key }))).toBe("idempotency_key_invalid");
  });
});

describe("what the operator has changed", () => {
  it("holds from the answer on, though every creation before was decided by what was cached", async () => {
    const { id, key, post } = await newTenant();
    let revoked = false;
    let accepted = 0;
    const late: string[] = [];
    const load = async () => {
      for (let round = 0; round < 25; round++) {
        const after = revoked;
        const code = await codeOf(await post());
        if (code === "created") accepted++;
        if (after && code === "created") late.push(code);
        if (after) expect(["credential_revoked", "too_many_failures"]).toContain(code);
      }
    };
    const running = Promise.all(Array.from({ length: 8 }, load));
    await expect.poll(() => accepted).toBeGreaterThan(10);
    const { keys } = (await harness.operator("GET", `/tenants/${id}/keys`)) as unknown as { keys: { id: string }[] };
    expect(key).toContain(keys[0]?.id);
    await harness.operator("DELETE", `/tenants/${id}/keys/${keys[0]?.id}`);
    revoked = true;
    await running;
    expect(late).toEqual([]);
  });

  it("is a suspension, a policy, or the tenant's end alike", async () => {
    const { id, key, post } = await newTenant();
    const policyFor = (max: number) => ({ policy: { metadata: { maxdurationseconds: { max } } } });
    for (const max of [100, 200, 300]) {
      await harness.operator("PUT", `/tenants/${id}`, policyFor(max));
      expect((await post()).status).toBe(201);
      expect(harness.stream.videos()[0]?.maxDurationSeconds).toBe(max);
    }
    await harness.operator("PUT", `/tenants/${id}`, { suspended: true });
    expect(await codeOf(await post())).toBe("tenant_suspended");
    await harness.operator("DELETE", `/tenants/${id}`);
    expect((await create(harness.url, id, bearer(key))).status).toBeGreaterThanOrEqual(400);
  });
});

describe("the budget", () => {
  it("never lets more calls through than it has, and says when to come again", async () => {
    const { apiBase, accountId, uploadHost, token } = harness.stream;
    const upstream = { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token, callsPerWindow: 10 };
    await harness.operator("PUT", "/upstreams/small", upstream);
    const { post } = await newTenant({ upstream: "small" });
    const answers = await Promise.all(Array.from({ length: 30 }, () => post()));
    const refused = answers.filter(({ status }) => status === 429);
    expect(harness.stream.creations().length).toBeLessThanOrEqual(10);
    expect(answers.length - refused.length).toBe(harness.stream.creations().length);
    expect((await problemOf(refused[0] ?? new Response("{}"))).code).toBe("upstream_busy");
    const retryAfter = Number(refused[0]?.headers.get("retry-after"));
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(300);
  });

  /** An upstream of its own, with two tenants on it. */
  async function newUpstream(id: string) {
    const { apiBase, accountId, uploadHost, token } = harness.stream;
    await harness.operator("PUT", `/upstreams/${id}`, {
      accountId,
      apiBase,
      uploadHosts: [uploadHost],
      apiToken: token,
    });
    return [await newTenant({ upstream: id }), await newTenant({ upstream: id })] as const;
  }

  it("closes for as long as Stream says, for all tenants on that upstream and no other", async () => {
    const [a, b] = await newUpstream("tired");
    const c = await newTenant();
    harness.stream.addFault({ on: "create", kind: "status", status: 429, headers: { "retry-after": "120" } });
    expect(await codeOf(await a.post())).toBe("stream_rate_limited");
    const refused = await b.post();
    expect(await codeOf(refused.clone())).toBe("upstream_busy");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(110);
    expect(await codeOf(await c.post())).toBe("created");
  });

  it("closes before Stream has to refuse, when a creation was the last that Stream allows for now", async () => {
    const [a, b] = await newUpstream("warned");
    const remaining = (calls: string) => ({ "x-ratelimit-remaining": calls, "x-ratelimit-reset": "120" });
    harness.stream.addFault({ on: "create", kind: "headers", headers: remaining("1") });
    harness.stream.addFault({ on: "create", kind: "headers", headers: remaining("0") });
    expect(await codeOf(await a.post())).toBe("created");
    expect(await codeOf(await a.post())).toBe("created");
    const refused = await b.post();
    expect(await codeOf(refused.clone())).toBe("upstream_busy");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(110);
    expect(Number(refused.headers.get("retry-after"))).toBeLessThanOrEqual(120);
    expect(harness.stream.creations()).toHaveLength(2);
  });
});
