import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { SCOPES } from "../../src/core/auth/rules/scopes.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { hmacIssuer } from "../support/hmac-issuer.ts";
import { bearer, create } from "../support/http.ts";
import { ROUTES, type Route, requestTo } from "../support/route-table.ts";

/** A tenant learns nothing about another, nor an end user about another. */

/** Headers that differ in each response. */
const OWN_HEADERS: ReadonlySet<string> = new Set(["date", "x-request-id", "server-timing"]);

let harness: TestGateway;
let key: string;
let otherKey: string;

beforeAll(async () => {
  harness = await startTestGateway({ REGISTRY_CACHE_SECONDS: "0" });
  key = await harness.tenant("acme");
  otherKey = await harness.tenant("other");
  await harness.operator("PUT", "/issuers/users", {
    ...hmacIssuer.document,
    // The backend's persons, too.
    subject: { namespace: "tenant" },
    tenant: { fixed: "acme" },
    scopes: SCOPES,
  });
});
afterAll(() => harness.stop());

const call = (route: Route, id: string, credential: string, tenant = "acme") => {
  const [path, init] = requestTo(route, route.path.replace(":tenant", tenant).replace(":id", id), bearer(credential));
  return fetch(harness.url + path, init);
};

/** A response without what differs in each request. */
async function comparable(answer: Response) {
  const { requestId: _, ...body } = (await answer.json()) as Record<string, unknown>;
  const headers = [...answer.headers].filter(([name]) => !OWN_HEADERS.has(name));
  return { status: answer.status, headers: Object.fromEntries(headers), body };
}

/** The request log without its times. */
async function stepsOf({ headers }: Response) {
  const requestId = headers.get("x-request-id") ?? "none";
  const line = await vi.waitUntil(() => harness.log.find((text) => text.includes(requestId)));
  const { requestId: _, totalMs, durations, ...columns } = JSON.parse(line) as Record<string, object>;
  return { ...columns, totalMs: typeof totalMs, steps: Object.keys(durations ?? {}) };
}

interface Made {
  readonly id: string;
  readonly uid: string;
}

async function make(tenant: string, credential: string, creator = "user-1"): Promise<Made> {
  const { headers } = await create(harness.url, tenant, { ...bearer(credential), "Upload-Creator": creator });
  return { id: headers.get("sluice-upload-id") ?? "", uid: headers.get("stream-media-id") ?? "" };
}

const BY_ID = ROUTES.filter(({ path }) => path.includes(":id"));

/** Valid ids that were never assigned. */
const NEVER = { id: "01900000-0000-7000-8000-000000000000", uid: "0".repeat(32) };

const MALFORMED = [
  "x",
  "x".repeat(64),
  "x".repeat(65),
  "x".repeat(4_000),
  "%00",
  "%E2%80%AE",
  "%FF",
  "%zz",
  "a%2Fb",
  "'%20OR%201=1--",
  "%25",
  "*",
  "__proto__",
  "null",
  "-1",
  "ACME",
];

describe.each(BY_ID)("$method $path", (route) => {
  it("responds to another tenant's upload like to an unknown one, and does not change it", async () => {
    const theirs = await make("other", otherKey);
    const never = await comparable(await call(route, NEVER.uid, key));
    expect(never).toMatchObject({ status: 404, body: { code: "not_found", success: false, result: null } });
    for (const id of [NEVER.id, theirs.id, theirs.uid])
      expect(await comparable(await call(route, id, key))).toEqual(never);

    const seen = await fetch(`${harness.url}/v1/other/uploads/${theirs.id}`, { headers: bearer(otherKey) });
    expect(await seen.json()).toMatchObject({ ...theirs, state: "issued" });
    expect(harness.stream.videos().map(({ uid }) => uid)).toContain(theirs.uid);
  });

  it("takes the same steps for another tenant's upload as for an unknown one, without a call to Stream", async () => {
    const theirs = await make("other", otherKey);
    harness.stream.clearRequests();
    const never = await stepsOf(await call(route, NEVER.uid, key));
    for (const id of [theirs.id, theirs.uid]) expect(await stepsOf(await call(route, id, key))).toEqual(never);
    expect(harness.stream.requests()).toEqual([]);
  });

  it("responds to a malformed id like to an unknown one", async () => {
    const never = await comparable(await call(route, NEVER.uid, key));
    for (const id of MALFORMED) expect(await comparable(await call(route, id, key)), id).toEqual(never);
  });

  it("responds to another user's upload like to an unknown one, and does not change it", async () => {
    const mine = await make("acme", key, "user-1");
    const token = await hmacIssuer.sign("user-2");
    const never = await comparable(await call(route, NEVER.uid, token));
    expect(never.status).toBe(404);
    for (const id of [mine.id, mine.uid]) expect(await comparable(await call(route, id, token))).toEqual(never);
    expect(harness.stream.videos().map(({ uid }) => uid)).toContain(mine.uid);
    const seenByKey = await call(route, mine.uid, await hmacIssuer.sign("user-1"));
    if (!route.needs) expect(seenByKey.status).toBe(200);
  });

  it("responds to another tenant's path like to that of an unknown tenant", async () => {
    const theirs = await make("other", otherKey);
    const never = await comparable(await call(route, NEVER.uid, key, "nobody"));
    expect(never).toMatchObject({ status: 403, body: { code: "tenant_mismatch" } });
    expect(await comparable(await call(route, theirs.uid, key, "other"))).toEqual(never);
  });
});

describe("JWT of an end user", () => {
  const get = async (path: string, credential: string) => {
    const answer = await fetch(`${harness.url}${path}`, { headers: bearer(credential) });
    return (await answer.json()) as Record<string, unknown> & { uploads: Made[]; result: Made[] };
  };
  const stream = "/client/v4/accounts/acme/stream";

  it("lists and counts the uploads of its subject, including those that the backend created", async () => {
    const [mine, theirs] = [await make("acme", key, "user-7"), await make("acme", key, "user-8")];
    const token = await hmacIssuer.sign("user-7");
    const own = await make("acme", token, "whoever");
    const uids = [own.uid, mine.uid];
    expect((await get("/v1/acme/uploads", token)).uploads.map(({ uid }) => uid)).toEqual(uids);
    expect((await get("/v1/acme/uploads?creator=user-7", token)).uploads).toHaveLength(2);
    expect(await get("/v1/acme/uploads?creator=user-8", token)).toEqual({ uploads: [] });
    expect((await get(stream, token)).result.map(({ uid }) => uid)).toEqual(uids);
    expect((await get(`${stream}?creator=user-8`, token)).result).toEqual([]);
    expect((await get("/v1/acme/uploads", key)).uploads.map(({ uid }) => uid)).toContain(theirs.uid);
    for (const filter of [`id=${theirs.uid}`, `name=${theirs.uid}`])
      expect((await get(`${stream}?${filter}`, token)).result, filter).toEqual([]);
    const stored = { totalStorageMinutes: 0, videoCount: 0 };
    expect((await get(`${stream}/storage-usage`, token)).result).toEqual({ creator: "user-7", ...stored });
    const used = { pending: 2, videos: 0, storedSeconds: 28_800 };
    expect((await get("/v1/acme/usage?creator=user-7", token))["usage"]).toEqual(used);
    expect((await get("/v1/acme/usage?creator=user-8", token))["usage"]).toMatchObject({
      pending: 0,
      storedSeconds: 0,
    });
    expect((await get("/v1/acme/usage?creator=user-8", key))["usage"]).toMatchObject({ pending: 1 });
  });

  it.each(["client", "tenant", "none"])("has its own uploads, and no others, with creators from %s", async (from) => {
    await harness.operator("PUT", "/tenants/acme", { policy: { creator: { from } } });
    // Also a subject like the creator of all others: what Stream is told does not say whose an upload is.
    const subject = from === "tenant" ? "acme" : `own-${from}`;
    const token = await hmacIssuer.sign(subject);
    const theirs = await make("acme", await hmacIssuer.sign("user-9"), subject);
    const byKey = await make("acme", key, "user-9");
    const made = await make("acme", token, "user-9");
    const uids = ({ uploads }: { uploads: Made[] }) => uploads.map(({ uid }) => uid);
    expect(uids(await get("/v1/acme/uploads", token))).toEqual([made.uid]);
    expect((await get(stream, token)).result.map(({ uid }) => uid)).toEqual([made.uid]);
    expect((await get(`/v1/acme/usage?creator=${subject}`, token))["usage"]).toMatchObject({ pending: 1 });
    for (const { uid } of [theirs, byKey])
      for (const route of BY_ID) expect((await call(route, uid, token)).status, route.path).toBe(404);
    for (const route of BY_ID.filter(({ method, needs }) => method === "GET" && !needs))
      expect((await call(route, made.uid, token)).status, route.path).toBe(200);
    expect((await get(`/v1/acme/uploads/${theirs.id}`, key))["state"]).toBe("issued");
    await harness.operator("PUT", "/tenants/acme", { policy: {} });
  });
});
