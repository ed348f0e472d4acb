import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { beforeEach, describe, expect, it } from "vitest";
import { codeOf, request, seedTenant } from "../support/worker.ts";

/** Lists of a ledger's uploads, in Sluice's own API and in the one compatible with Cloudflare. */

const HOUR_SECONDS = 3_600;
const now = () => Math.floor(Date.now() / 1000);

let key: string;
beforeEach(async () => {
  key = await seedTenant("acme", { limits: { storedSeconds: 7_200 } });
});

type State = "reserved" | "unknown" | "issued" | "ready" | "failed" | "cancelled";

let seeded = 0;

/** Creates an upload in a state. */
async function seed(state: State, { tenant = "acme", creator = "user-1" }: { tenant?: string; creator?: string } = {}) {
  const [id, uid] = [uuidv7(), (++seeded).toString(16).padStart(32, "0")];
  const ledger = env.LEDGER.getByName(tenant);
  const size = { bytes: 1_000, seconds: 600 };
  const reservation = {
    id,
    version: Number.MAX_SAFE_INTEGER,
    limits: {},
    upstream: "elsewhere",
    expires: now() + HOUR_SECONDS,
    ...size,
  };
  await ledger.reserve({ ...reservation, creator });
  if (state === "unknown") await ledger.leaveUnknown(id);
  if (state === "reserved" || state === "unknown") return { id, uid };
  await ledger.attach(id, uid, "https://upload.example/secret");
  const json = { uid, meta: { name: "Cats", sluice: `${tenant}/${id}` }, thumbnail: "https://t.example" };
  if (state === "ready") {
    const report = { kind: "ready", uid, seconds: 42, bytes: 900 } as const;
    await ledger.record("elsewhere", { report, json: { ...json, status: { state: "ready", pctComplete: "100" } } });
  }
  if (state === "failed") {
    const report = { kind: "failed", uid, reason: "ERR_NON_VIDEO" } as const;
    await ledger.record("elsewhere", { report, json: { ...json, status: { state: "error" } } });
  }
  if (state === "cancelled") await ledger.cancel(id, Infinity);
  return { id, uid };
}

const get = (path: string, credential = key) =>
  request("GET", path, { headers: { Authorization: `Bearer ${credential}` } });

interface Page {
  readonly uploads: readonly { id: string; state: string; creator: string }[];
  readonly cursor?: string;
}

const list = async (query = "", credential = key) => (await get(`/v1/acme/uploads${query}`, credential)).json<Page>();
const ids = ({ uploads }: Page) => uploads.map(({ id }) => id);

describe("GET /v1/:tenant/uploads", () => {
  it("lists only the tenant's uploads, newest first, with their public fields", async () => {
    const first = await seed("issued");
    const second = await seed("ready");
    await seed("ready", { tenant: "other" });
    const response = await get("/v1/acme/uploads");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({
      uploads: [
        {
          ...second,
          state: "ready",
          creator: "user-1",
          subject: "user-1",
          namespace: "tenant",
          bytes: 900,
          seconds: 42,
          createdAt: expect.stringMatching(/Z$/),
          expiresAt: expect.stringMatching(/Z$/),
          thumbnail: expect.stringMatching(/^https:/),
        },
        expect.objectContaining({ ...first, state: "issued", bytes: 1_000, seconds: 600 }),
      ],
    });
  });

  it("filters by state, creator and time range", async () => {
    const [issued, ready] = [await seed("issued"), await seed("ready", { creator: "user-2" })];
    expect(ids(await list("?state=issued"))).toEqual([issued.id]);
    expect(ids(await list("?creator=user-2"))).toEqual([ready.id]);
    expect(ids(await list("?creator=user-2&state=issued"))).toEqual([]);
    const [from, to] = [-60, 60].map((ahead) => new Date((now() + ahead) * 1000).toISOString());
    expect(ids(await list(`?from=${from}&to=${to}`))).toHaveLength(2);
    expect(ids(await list(`?from=${to}`))).toEqual([]);
    expect(ids(await list(`?to=${from}`))).toEqual([]);
  });

  it("pages by cursor until there is none", async () => {
    const all = [];
    for (let index = 0; index < 5; index++) all.unshift((await seed("issued")).id);
    const listed: string[] = [];
    let cursor: string | undefined = "";
    while (cursor !== undefined) {
      const page: Page = await list(`?limit=2${cursor && `&cursor=${cursor}`}`);
      expect(page.uploads.length).toBeLessThanOrEqual(2);
      listed.push(...ids(page));
      ({ cursor } = page);
    }
    expect(listed).toEqual(all);
  });

  it.each([
    ["state", "?state=lost"],
    ["state", "?state="],
    ["creator", "?creator="],
    ["creator", `?creator=${"x".repeat(256)}`],
    ["from", "?from=yesterday"],
    ["from", "?from=2026-02-30T00:00:00Z"],
    ["to", "?to=1700000000"],
    ["cursor", "?cursor=zzz"],
    ["cursor", "?cursor="],
    ["limit", "?limit=0"],
    ["limit", "?limit=1001"],
    ["limit", "?limit=1e2"],
    ["limit", "?limit=-1"],
    ["limit", "?limit=1&limit=2"],
    ["status", "?status=ready"],
    ["__proto__", "?__proto__=1"],
  ])("returns 400 that names the invalid parameter %s of %s", async (name, query) => {
    const response = await get(`/v1/acme/uploads${query}`);
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ code: "bad_request", key: name, detail: expect.stringContaining(name) }),
    ]);
  });
});

describe("GET /v1/:tenant/uploads/:id", () => {
  it("returns an upload by its id and by its uid", async () => {
    const { id, uid } = await seed("failed");
    const document = { id, uid, state: "failed", failure: "ERR_NON_VIDEO", bytes: 1_000, seconds: 600 };
    expect(await (await get(`/v1/acme/uploads/${id}`)).json()).toMatchObject(document);
    expect(await (await get(`/v1/acme/uploads/${uid}`)).json()).toMatchObject(document);
    const text = await (await get(`/v1/acme/uploads/${id}`)).text();
    expect(text).not.toMatch(/elsewhere|secret|sluice/);
  });

  it("accepts view=stream only, and returns upstream_unknown when the upstream is not configured", async () => {
    const { id } = await seed("issued");
    expect(await codeOf(get(`/v1/acme/uploads/${id}?view=all`))).toBe("bad_request");
    expect(await codeOf(get(`/v1/acme/uploads/${id}?views=stream`))).toBe("bad_request");
    // The upload's upstream does not exist.
    expect(await codeOf(get(`/v1/acme/uploads/${id}?view=stream`))).toBe("upstream_unknown");
  });

  it("does not call Stream for HEAD", async () => {
    const { id } = await seed("issued");
    const headers = { Authorization: `Bearer ${key}` };
    expect((await request("HEAD", `/v1/acme/uploads/${id}?view=stream`, { headers })).status).toBe(200);
  });

  it("returns a null video while the upload has no uid", async () => {
    const { id } = await seed("unknown");
    expect(await (await get(`/v1/acme/uploads/${id}?view=stream`)).json()).toMatchObject({ id, video: null });
  });
});

const STREAM = "/client/v4/accounts/acme/stream";

describe(`GET ${STREAM}`, () => {
  const videos = async (query = "") => (await get(`${STREAM}${query}`)).json<{ result: { uid: string }[] }>();
  const uids = async (query = "") => (await videos(query)).result.map(({ uid }) => uid);

  it("lists the tenant's videos in the format of Stream's API", async () => {
    const [issued, ready, failed] = [await seed("issued"), await seed("ready"), await seed("failed")];
    for (const state of ["reserved", "unknown", "cancelled"] as const) await seed(state);
    await seed("ready", { tenant: "other" });
    expect((await get(STREAM)).headers.get("cache-control")).toBe("no-store");
    const common = { creator: "user-1", created: expect.stringMatching(/\.000Z$/) };
    const seen = { meta: { name: "Cats" }, thumbnail: "https://t.example" };
    expect(await videos()).toEqual({
      success: true,
      errors: [],
      messages: [],
      result: [
        expect.objectContaining({
          ...common,
          ...seen,
          uid: failed.uid,
          readyToStream: false,
          status: { state: "error", errorReasonCode: "ERR_NON_VIDEO" },
        }),
        expect.objectContaining({
          ...common,
          ...seen,
          uid: ready.uid,
          readyToStream: true,
          duration: 42,
          size: 900,
          status: { state: "ready", pctComplete: "100" },
        }),
        {
          ...common,
          uid: issued.uid,
          meta: {},
          readyToStream: false,
          duration: -1,
          maxDurationSeconds: 600,
          uploadExpiry: expect.stringMatching(/Z$/),
          status: { state: "pendingupload" },
        },
      ],
    });
  });

  it("accepts Stream's parameters", async () => {
    const { uid: pending } = await seed("issued");
    const { uid: ready } = await seed("ready", { creator: "user-2" });
    const { uid: failed } = await seed("failed");
    expect(await uids("?status=pendingupload")).toEqual([pending]);
    expect(await uids("?status=inprogress")).toEqual([]);
    expect(await uids("?status=ready")).toEqual([ready]);
    expect(await uids("?status=error")).toEqual([failed]);
    expect(await uids("?creator=user-2")).toEqual([ready]);
    expect(await uids("?limit=1")).toEqual([failed]);
    expect(await uids("?asc=false&include_counts=false")).toEqual([failed, ready, pending]);
    expect(await uids("?asc=true")).toEqual([pending, ready, failed]);
    expect(await uids("?asc=true&limit=1&status=ready")).toEqual([ready]);
    const counted = await (await get(`${STREAM}?asc=true&include_counts=true&limit=2`)).json();
    expect(counted).toMatchObject({ result: [{ uid: pending }, { uid: ready }], total: 3, range: 2 });
    expect(await videos()).not.toHaveProperty("total");
    const [past, future] = [-60, 60].map((ahead) => new Date((now() + ahead) * 1000).toISOString());
    for (const [after, before] of [
      ["after", "before"],
      ["start", "end"],
    ]) {
      expect(await uids(`?${after}=${past}&${before}=${future}`)).toHaveLength(3);
      expect(await uids(`?${before}=${past}`)).toEqual([]);
      expect(await uids(`?${after}=${future}`)).toEqual([]);
    }
  });

  it("excludes the bounds of after and before", async () => {
    const { uid } = await seed("issued");
    const { result } = await (await get(STREAM)).json<{ result: { created: string }[] }>();
    expect(await uids()).toEqual([uid]);
    expect(await uids(`?before=${result[0]?.created}`)).toEqual([]);
    expect(await uids(`?after=${result[0]?.created}`)).toEqual([]);
  });

  it("prefers the state in the ledger to that of a late notification", async () => {
    const { uid } = await seed("ready");
    const report = { kind: "processing", uid } as const;
    const json = { uid, status: { state: "queued" }, duration: -1, size: 0, readyToStream: false };
    await env.LEDGER.getByName("acme").record("elsewhere", { report, json });
    expect((await videos()).result).toMatchObject([
      { uid, readyToStream: true, status: { state: "ready" }, duration: 42, size: 900 },
    ]);
  });

  it.each(["type", "names", "videoName", "language"])(
    "rejects an unknown parameter or value instead of ignoring it: %s",
    async (name) => {
      const response = await get(`${STREAM}?${name}=true`);
      expect([response.status, await response.json()]).toEqual([
        400,
        expect.objectContaining({ success: false, key: name, errors: [expect.objectContaining({ code: 10005 })] }),
      ]);
    },
  );

  it.each([
    ["status", "?status=done"],
    ["asc", "?asc=1"],
    ["include_counts", "?include_counts="],
    ["limit", "?limit=1001"],
    ["before", "?before=now"],
    ["start", "?start=now"],
    ["end", "?before=2026-01-01T00:00:00Z&end=2026-01-01T00:00:00Z"],
  ])("returns 400 that names the invalid parameter %s of %s", async (name, query) => {
    expect(await (await get(`${STREAM}${query}`)).json()).toMatchObject({ code: "bad_request", key: name });
  });
});

describe(`GET ${STREAM}/storage-usage`, () => {
  it("returns the seconds and number of ready videos, and the limit", async () => {
    const usage = async (query = "") => (await get(`${STREAM}/storage-usage${query}`)).json<{ result: unknown }>();
    await seed("ready");
    await seed("issued", { creator: "user-2" });
    await seed("ready", { tenant: "other" });
    const limit = { totalStorageMinutesLimit: 120 };
    expect((await usage()).result).toEqual({ totalStorageMinutes: 42 / 60, videoCount: 1, ...limit });
    expect((await usage("?creator=user-2")).result).toEqual({
      creator: "user-2",
      totalStorageMinutes: 0,
      videoCount: 0,
      ...limit,
    });
    expect(await (await get(`${STREAM}/storage-usage?creators=x`)).json()).toMatchObject({ key: "creators" });
    expect(await (await get(`${STREAM}/storage-usage?creator=`)).json()).toMatchObject({ key: "creator" });
  });
});
