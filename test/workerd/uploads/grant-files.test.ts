import { describe, expect, it } from "vitest";
import { hmacIssuer } from "../../support/hmac-issuer.ts";
import { acme, as, create, documentOf, mint, newKey, post, report, resetAcme, statusOf } from "../support/acme.ts";
import { injectFault } from "../support/local-stream-fixture.ts";
import { codeOf } from "../support/worker.ts";

/** How many uploads a grant or an `Idempotency-Key` has. */

resetAcme();

describe("the files of a grant", () => {
  const refusalOf = async (refused: Promise<Response>) => {
    const { status, code, detail } = await (await refused).json<{ status: number; code: string; detail: string }>();
    return { status, code, detail };
  };
  const TOO_MANY = {
    status: 403,
    code: "grant_used",
    detail: expect.stringMatching(/^The grant is for one file, and it has its upload\. Get a grant for each further/),
  };

  it("are one by default: a repeat is replayed, and another file is told what a grant is for", async () => {
    const grant = await mint();
    const first = (await create(grant, { name: "a.mp4" })).id;
    expect((await create(grant, { name: "a.mp4" })).id).toBe(first);
    expect(await refusalOf(post(grant, { name: "b.mp4" }))).toEqual(TOO_MANY);
    expect(await refusalOf(post(grant, { name: "b.mp4" }, { "Idempotency-Key": "b" }))).toEqual(TOO_MANY);
    const { uid } = await (await as(grant, "GET", `/uploads/${first}`)).json<{ uid: string }>();
    await report(uid, "ready");
    expect(await refusalOf(post(grant, { name: "b.mp4" }))).toEqual(TOO_MANY);
    expect(await refusalOf(post(grant, { name: "a.mp4" }))).toMatchObject({
      code: "grant_used",
      detail: expect.stringContaining("The upload of this file is finished."),
    });
  });

  it("are as many as it says, told apart by their names, sizes and types", async () => {
    const grant = await mint({ uploads: 2 });
    const [a, b] = [(await create(grant, { name: "a.mp4" })).id, (await create(grant, { name: "b.mp4" })).id];
    expect(new Set([a, b]).size).toBe(2);
    expect([(await create(grant, { name: "a.mp4" })).id, (await create(grant, { name: "b.mp4" })).id]).toEqual([a, b]);
    expect(await refusalOf(post(grant, { name: "c.mp4" }))).toMatchObject({
      code: "grant_used",
      detail: expect.stringContaining("The grant is for 2 files, and it has all of its uploads."),
    });
    for (const id of [a, b]) expect(await statusOf(as(grant, "GET", `/uploads/${id}`))).toBe(200);
  });

  it("are told apart by Idempotency-Key, where there is one", async () => {
    const grant = await mint({ uploads: 3 });
    const keyed = (key: string, name = "a.mp4") => [grant, { name }, { "Idempotency-Key": key }] as const;
    const [one, two] = [(await create(...keyed("1"))).id, (await create(...keyed("2"))).id];
    expect(new Set([one, two]).size).toBe(2);
    expect((await create(...keyed("1"))).id).toBe(one);
    expect(await refusalOf(post(...keyed("1", "b.mp4")))).toMatchObject({
      status: 422,
      code: "idempotency_key_reused",
    });
    expect(await (await as(grant, "GET", `/uploads/${one}`)).json()).toMatchObject({ idempotencyKey: "1" });
    const { id } = await create(grant, { name: "c.mp4" });
    const byFingerprint = await documentOf(id);
    expect(byFingerprint).not.toHaveProperty("idempotencyKey");
  });

  it("may be another one once the first was cancelled, or its creation was lost", async () => {
    const grant = await mint();
    const first = (await create(grant, { name: "wrong.mp4" })).id;
    expect(await statusOf(as(grant, "DELETE", `/uploads/${first}`))).toBe(200);
    await injectFault({ on: "create", kind: "status", status: 502, body: "<html>" });
    expect(await statusOf(post(grant, { name: "lost.mp4" }))).toBe(502);
    const second = (await create(grant, { name: "right.mp4" })).id;
    expect(second).toMatch(/^[0-9a-f-]{36}$/);
    expect(await refusalOf(post(grant, { name: "wrong.mp4" }))).toEqual(TOO_MANY);
    expect(await refusalOf(post(grant, { name: "lost.mp4" }))).toEqual(TOO_MANY);
  });

  it("are admitted one by one, however many come at once", async () => {
    const grant = await mint({ uploads: 3 });
    const statuses = await Promise.all(
      Array.from({ length: 10 }, (_, index) => statusOf(post(grant, { name: `${index}.mp4` }))),
    );
    expect(statuses.filter((status) => status === 201)).toHaveLength(3);
    expect(statuses.filter((status) => status === 403)).toHaveLength(7);
  });
});

describe("an Idempotency-Key", () => {
  const keyed = (credential: string, headers: Record<string, string> = {}) =>
    [credential, {}, { "Idempotency-Key": "k", ...headers }] as const;

  it("counts for all API keys of the tenant, so that a repeat after a rotation makes no second video", async () => {
    const first = await create(...keyed(acme.key));
    const rotated = await newKey();
    expect(await create(...keyed(rotated))).toEqual({ ...first, replayed: true });
    const other = post(...keyed(rotated, { "Upload-Creator": "user-2" }));
    expect(await codeOf(other)).toBe("idempotency_key_reused");
  });

  it("counts for each subject of JWTs on its own", async () => {
    const ids: string[] = [];
    for (const credential of [acme.key, acme.jwt, await hmacIssuer.sign("user-2")])
      ids.push((await create(...keyed(credential))).id);
    expect(new Set(ids).size).toBe(3);
  });
});
