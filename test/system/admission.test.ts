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

/** A new tenant for each test, since each counts its uploads. */
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

describe("limits of a tenant", () => {
  it("admit 50 of 200 concurrent creations when 50 may be pending", async () => {
    const { post, usage } = await newTenant({ limits: { pending: 50 } });
    // Caches the tenant and its key, so that not all creations look them up at once.
    await usage();
    const codes = await Promise.all(Array.from({ length: 200 }, () => post().then(codeOf)));
    expect(new Set(codes)).toEqual(new Set(["created", "limit_exceeded"]));
    expect(codes.filter((code) => code === "created")).toHaveLength(50);
    expect(harness.stream.videos()).toHaveLength(50);
    expect(await usage()).toMatchObject({ pending: 50, day: { uploads: 50 } });
  });

  it("are in the response with their usage and Retry-After", async () => {
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

  it("do not count creations that Stream refused", async () => {
    const { post, usage } = await newTenant({ limits: { pending: 1 } });
    harness.stream.addFault({ on: "create", kind: "status", status: 400 });
    expect(await codeOf(await post())).toBe("stream_rejected");
    expect(await usage()).toMatchObject({ pending: 0, day: { uploads: 0 } });
    expect(await codeOf(await post())).toBe("created");
  });

  it("per minute count creations that Stream refused, since each took a call", async () => {
    const { post } = await newTenant({ limits: { rate: { creator: 2 } } });
    for (const code of ["stream_rejected", "stream_rejected", "limit_exceeded"]) {
      harness.stream.addFault({ on: "create", kind: "status", status: 400 });
      expect(await codeOf(await post({ "Upload-Creator": "user-1" }))).toBe(code);
    }
    expect(harness.stream.requests()).toHaveLength(2);
  });

  it("count creations whose outcome is unknown", async () => {
    const { post, usage } = await newTenant({ limits: { pending: 1 } });
    harness.stream.addFault({ on: "create", kind: "reset-after" });
    expect(await codeOf(await post())).toBe("stream_unreachable");
    expect(await usage()).toMatchObject({ pending: 1 });
    expect(await codeOf(await post())).toBe("limit_exceeded");
  });
});

describe("Idempotency-Key", () => {
  it("creates 20 videos for 20 creations sent ten times each at once", async () => {
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

  it("returns the same upload again, marked as replayed, with one call to Stream", async () => {
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

  it("is separate for each tenant, and the same for all API keys of one", async () => {
    const [a, b] = [await newTenant(), await newTenant()];
    const headers = { "Idempotency-Key": "1" };
    const uid = async (answer: Promise<Response>) => (await answer).headers.get("stream-media-id");
    expect(await uid(a.post(headers))).not.toBe(await uid(b.post(headers)));
    const second = await harness.operator("POST", `/tenants/${a.id}/keys`, { name: "second" });
    const other = create(harness.url, a.id, { ...bearer(second["key"] ?? ""), ...headers });
    expect(await uid(other)).toBe(await uid(a.post(headers)));
  });

  it("is not needed with a grant, which creates one upload", async () => {
    const { id, key } = await newTenant();
    const minted = await fetch(`${harness.url}/v1/${id}/grants`, {
      method: "POST",
      headers: { ...bearer(key), "Content-Type": "application/json" },
      body: "{}",
    });
    const { grant } = (await minted.json()) as { grant: string };
    const upload = (more = {}) => create(harness.url, id, { "Upload-Metadata": metadataHeader({ grant }), ...more });
    expect((await upload()).status).toBe(201);
    expect((await upload()).headers.get("idempotency-replayed")).toBe("true");
    expect(await codeOf(await upload({ "Upload-Length": "7" }))).toBe("grant_used");
    expect(await codeOf(await upload({ "Idempotency-Key": "x" }))).toBe("grant_used");
    expect(harness.stream.videos()).toHaveLength(1);
  });

  it.each(["", "ä", "x".repeat(256)])("is refused when invalid: %j", async (key) => {
    const { post } = await newTenant();
    expect(await codeOf(await post({ "Idempotency-Key": key }))).toBe("idempotency_key_invalid");
  });
});

describe("a change by the operator", () => {
  it("applies to every creation after its response, though the registry is cached", async () => {
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

  it("applies at once to a policy, a suspension and a deletion", async () => {
    const { id, key, post } = await newTenant();
    const policyFor = (max: number) => ({ policy: { metadata: { maxdurationseconds: { max } } } });
    for (const max of [100, 200, 300]) {
      await harness.operator("PUT", `/tenants/${id}`, policyFor(max));
      expect((await post()).status).toBe(201);
      expect(harness.stream.videos()[0]?.maxDurationSeconds).toBe(max);
    }
    await harness.operator("PUT", `/tenants/${id}`, { ...policyFor(300), suspended: true });
    expect(await codeOf(await post())).toBe("tenant_suspended");
    await harness.operator("DELETE", `/tenants/${id}`);
    expect((await create(harness.url, id, bearer(key))).status).toBeGreaterThanOrEqual(400);
  });
});

describe("call budget", () => {
  it("never admits more calls than its limit, and returns Retry-After", async () => {
    const { apiBase, accountId, uploadHost, token } = harness.stream;
    const upstream = { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token, callsPerWindow: 10 };
    await harness.operator("PUT", "/upstreams/small?check=false", upstream);
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

  /** A new upstream with two tenants. */
  async function newUpstream(id: string) {
    const { apiBase, accountId, uploadHost, token } = harness.stream;
    await harness.operator("PUT", `/upstreams/${id}?check=false`, {
      accountId,
      apiBase,
      uploadHosts: [uploadHost],
      apiToken: token,
    });
    return [await newTenant({ upstream: id }), await newTenant({ upstream: id })] as const;
  }

  it("blocks all tenants of the upstream for the time of Stream's Retry-After", async () => {
    const [a, b] = await newUpstream("tired");
    const c = await newTenant();
    harness.stream.addFault({ on: "create", kind: "status", status: 429, headers: { "retry-after": "120" } });
    expect(await codeOf(await a.post())).toBe("stream_rate_limited");
    const refused = await b.post();
    expect(await codeOf(refused.clone())).toBe("upstream_busy");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(110);
    expect(await codeOf(await c.post())).toBe("created");
  });

  it("blocks the upstream when Stream reports no remaining calls", async () => {
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
