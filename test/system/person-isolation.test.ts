import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SCOPES } from "../../src/core/auth/rules/scopes.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { hmacIssuer } from "../support/hmac-issuer.ts";
import { bearer, create } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";
import { LOOK_ALIKES } from "../support/persons.ts";
import { ROUTES, type Route, requestTo } from "../support/route-table.ts";

/**
 * A person learns nothing of another of the same tenant, nor changes their uploads: not through an issuer with the same subject, a
 * grant, or a subject that looks the same.
 */

const STREAM = "/client/v4/accounts/acme/stream";

let harness: TestGateway;
let key: string;

/** An end user, by any credential that can read uploads. */
interface Viewer {
  readonly name: string;
  readonly token: string;
  readonly subject: string;
  readonly namespace: string;
}

let viewers: Viewer[];

beforeAll(async () => {
  harness = await startTestGateway({ REGISTRY_CACHE_SECONDS: "0" });
  const limits = { pendingPerCreator: 4, rate: { creator: 60 } };
  key = await harness.tenant("acme", { limits, policy: { creator: { prefix: "acme/" } } });
  const namespaces = { auth0: undefined, clerk: undefined, backend: "tenant" };
  for (const [id, namespace] of Object.entries(namespaces))
    await harness.operator("PUT", `/issuers/${id}`, {
      ...hmacIssuer.document,
      issuer: `https://${id}.example/`,
      tenant: { fixed: "acme" },
      scopes: SCOPES,
      ...(namespace !== undefined && { subject: { namespace } }),
    });
  const viewer = async (id: keyof typeof namespaces, subject: string): Promise<Viewer> => ({
    name: `${id} ${JSON.stringify(subject)}`,
    token: await hmacIssuer.sign(subject, `https://${id}.example/`),
    subject,
    namespace: namespaces[id] ?? id,
  });
  viewers = await Promise.all([
    viewer("clerk", "user-1"),
    viewer("backend", "user-1"),
    ...LOOK_ALIKES.map((subject) => viewer("auth0", subject)),
  ]);
});
afterAll(() => harness.stop());

const call = (route: Route, id: string, credential: string, headers: Record<string, string> = {}) => {
  const [path, init] = requestTo(route, route.path.replace(":tenant", "acme").replace(":id", id), {
    ...bearer(credential),
    ...headers,
  });
  return fetch(harness.url + path, init);
};

async function getJson(path: string, credential: string) {
  const answer = await fetch(harness.url + path, { headers: bearer(credential) });
  expect(answer.status, path).toBe(200);
  return (await answer.json()) as Record<string, unknown> & { uploads: Made[]; result: Made[] };
}

interface Made {
  readonly id: string;
  readonly uid: string;
}

const made = ({ headers }: Response): Made => ({
  id: headers.get("sluice-upload-id") ?? "",
  uid: headers.get("stream-media-id") ?? "",
});

async function mint(credential: string, body: object): Promise<string> {
  const answer = await fetch(`${harness.url}/v1/acme/grants`, {
    method: "POST",
    headers: { ...bearer(credential), "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { grant: string }).grant;
}

const createBy = async (credential: string, headers: Record<string, string> = {}) =>
  made(await create(harness.url, "acme", { ...bearer(credential), ...headers }));

const createWith = async (grant: string) =>
  made(await create(harness.url, "acme", { "Upload-Metadata": metadataHeader({ grant }) }));

const uidsOf = (uploads: readonly Made[]) => uploads.map(({ uid }) => uid).toSorted();

/** Routes that are called as each viewer. */
const ALL_VIEWERS = 4;

describe("persons of one tenant", () => {
  const own = new Map<string, Made[]>();
  const ownOf = (viewer: Viewer) => own.get(viewer.name) ?? [];
  let byGrant: Made;

  it("create uploads under the same idempotency key, each its own, by every route", async () => {
    const creations = ROUTES.filter(({ scope }) => scope === "uploads:create");
    for (const viewer of viewers)
      for (const route of creations) {
        const headers = { "Idempotency-Key": `k-${route.path}` };
        const first = await call(route, "", viewer.token, headers);
        expect(first.status, viewer.name).toBe(route.success);
        expect(first.headers.get("idempotency-replayed"), viewer.name).toBeNull();
        own.set(viewer.name, [...ownOf(viewer), made(first)]);
        const again = await call(route, "", viewer.token, headers);
        expect([again.headers.get("idempotency-replayed"), made(again)]).toEqual(["true", made(first)]);
      }
    const all = [...own.values()].flat();
    expect(new Set(uidsOf(all)).size).toBe(viewers.length * creations.length);
  });

  it("have the limits of a creator each", async () => {
    for (const { token, name } of viewers) {
      const fifth = await create(harness.url, "acme", bearer(token));
      expect(await fifth.json(), name).toMatchObject({
        code: "limit_exceeded",
        limit: "pendingPerCreator",
        used: 4,
      });
    }
  });

  it("see their own uploads in lists, usage and dry runs", async () => {
    for (const viewer of viewers) {
      const { token, name, subject, namespace } = viewer;
      const expected = uidsOf(ownOf(viewer));
      const { uploads } = await getJson("/v1/acme/uploads", token);
      expect(uidsOf(uploads), name).toEqual(expected);
      expect(uploads, name).toEqual(expect.arrayContaining([expect.objectContaining({ subject, namespace })]));
      expect(uidsOf((await getJson(STREAM, token)).result), name).toEqual(expected);
      for (const other of LOOK_ALIKES) {
        const query = `?creator=${encodeURIComponent(other)}`;
        const visible = other === subject ? expected : [];
        expect(uidsOf((await getJson(`/v1/acme/uploads${query}`, token)).uploads), other).toEqual(visible);
        expect(uidsOf((await getJson(STREAM + query, token)).result), other).toEqual(visible);
        const pending = other === subject ? 4 : 0;
        expect((await getJson(`/v1/acme/usage${query}`, token))["usage"], other).toMatchObject({ pending });
      }
      for (const query of [`?id=${uidsOf([...own.values()].flat()).join(",")}`, "?search=a"])
        expect((await getJson(STREAM + query, token)).result.length, query).toBeLessThanOrEqual(expected.length);
      expect((await getJson(`${STREAM}/storage-usage`, token)).result).toMatchObject({ creator: subject });
    }
  });

  it("see their own uploads by what Stream is told of them, and others by no such text", async () => {
    for (const viewer of viewers) {
      const [upload] = ownOf(viewer);
      const { creator } = await getJson(`/v1/acme/uploads/${upload?.id}`, viewer.token);
      expect(String(creator)).toMatch(/^acme\/[\x20-\x7e]{1,58}$/);
      expect(harness.stream.videos().find(({ uid }) => uid === upload?.uid)?.creator).toBe(creator);
      const query = `?creator=${encodeURIComponent(String(creator))}`;
      for (const other of viewers) {
        const { uploads } = await getJson(`/v1/acme/uploads${query}`, other.token);
        const visible = other === viewer || (other.subject === viewer.subject && String(creator).endsWith("user-1"));
        expect(uidsOf(uploads), other.name).toEqual(visible ? uidsOf(ownOf(other)) : []);
      }
    }
  });

  it("neither read nor change another's upload, by any route", async () => {
    const routes = ROUTES.filter(({ path }) => path.includes(":id"));
    for (const [index, route] of routes.entries())
      // All by the first routes; by each of the others, which find the upload in the same way, one viewer.
      for (const viewer of index < ALL_VIEWERS ? viewers : viewers.slice(index % viewers.length).slice(0, 1))
        for (const other of viewers) {
          if (other === viewer) continue;
          for (const { uid, id } of ownOf(other).slice(0, 1))
            // By both ids where the tenant's paths take both; once is enough.
            for (const one of route.path.startsWith("/v1") && viewer === viewers[0] ? [id, uid] : [uid]) {
              const answer = await call(route, one, viewer.token);
              expect([answer.status, (await answer.json()) as object], `${viewer.name} ${other.name}`).toEqual([
                404,
                expect.objectContaining({ code: "not_found" }),
              ]);
            }
        }
    const { uploads } = await getJson("/v1/acme/uploads?limit=1000", key);
    expect(uploads.every((upload) => (upload as Made & { state: string }).state === "issued")).toBe(true);
  });

  it("are found by the tenant's backend, by subject in all namespaces", async () => {
    const { uploads } = await getJson("/v1/acme/uploads?creator=user-1", key);
    const expected = viewers.filter(({ subject }) => subject === "user-1").flatMap((viewer) => ownOf(viewer));
    expect(uidsOf(uploads)).toEqual(uidsOf(expected));
    expect((await getJson("/v1/acme/usage?creator=user-1", key))["usage"]).toMatchObject({ pending: expected.length });
  });

  it("cancel their own uploads", async () => {
    for (const viewer of viewers) {
      const [first, second] = ownOf(viewer);
      const [cancel, remove] = ROUTES.filter(({ method }) => method === "DELETE");
      if (!cancel || !remove) expect.unreachable();
      expect((await call(cancel, first?.id ?? "", viewer.token)).status, viewer.name).toBe(200);
      expect((await call(remove, second?.uid ?? "", viewer.token)).status, viewer.name).toBe(200);
    }
  });

  it("with a grant of the backend are persons of the namespace tenant", async () => {
    byGrant = await createWith(await mint(key, { subject: "user-1" }));
    const { status } = await fetch(`${harness.url}/v1/acme/uploads/${byGrant.id}`, { headers: bearer(key) });
    expect(status).toBe(200);
    for (const viewer of viewers) {
      const isSame = viewer.namespace === "tenant" && viewer.subject === "user-1";
      const listed = uidsOf((await getJson("/v1/acme/uploads", viewer.token)).uploads).includes(byGrant.uid);
      expect(listed, viewer.name).toBe(isSame);
      for (const route of ROUTES.filter(
        ({ path, method, needs }) => path.includes(":id") && method === "GET" && !needs,
      ))
        expect((await call(route, byGrant.uid, viewer.token)).status, viewer.name).toBe(isSame ? 200 : 404);
    }
  });

  it("with a grant of their own token are the person of that token", async () => {
    const [clerk, backend] = viewers;
    const auth0 = viewers.find(({ namespace, subject }) => namespace === "auth0" && subject === "user-1");
    if (!clerk || !backend || !auth0) expect.unreachable();
    const grant = await mint(clerk.token, { subject: "user-1" });
    const upload = await createWith(grant);
    expect(await getJson(`/v1/acme/uploads/${upload.id}`, grant)).toMatchObject({
      subject: "user-1",
      namespace: "clerk",
    });
    for (const [viewer, status] of [
      [clerk, 200],
      [backend, 404],
      [auth0, 404],
    ] as const)
      for (const route of ROUTES.filter(
        ({ path, method, needs }) => path.includes(":id") && method === "GET" && !needs,
      ))
        expect((await call(route, upload.uid, viewer.token)).status, viewer.name).toBe(status);
    // A grant reaches what was created under it, and nothing else of its person.
    expect((await call(ROUTES[2], ownOf(clerk)[2]?.uid ?? "", grant)).status).toBe(404);
  });

  it("of an API key are those that its Upload-Creator names, without the blanks that HTTP removes", async () => {
    const upload = await createBy(key, { "Upload-Creator": "user-1 " });
    for (const viewer of viewers) {
      const { status } = await call(ROUTES[2], upload.uid, viewer.token);
      expect(status, viewer.name).toBe(viewer.namespace === "tenant" && viewer.subject === "user-1" ? 200 : 404);
    }
    const nobodys = await createBy(key);
    for (const viewer of viewers) expect((await call(ROUTES[2], nobodys.uid, viewer.token)).status).toBe(404);
  });
});
