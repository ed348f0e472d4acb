import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import {
  JWT_ISSUER,
  acme,
  as,
  create,
  mint,
  newKey,
  post,
  postJson,
  report,
  resetAcme,
  statusOf,
} from "../support/acme.ts";
import { asOperator, codeOf, request } from "../support/worker.ts";

/** What a grant reads and cancels: the uploads that were created under it, and nothing else. */

resetAcme();

const GRANTS: readonly (readonly [string, () => Promise<string>])[] = [
  ["without a subject", () => mint()],
  ["with a subject", () => mint({ subject: "user-1" })],
  ["minted by a JWT", () => mint({}, acme.jwt)],
];

describe.each(GRANTS)("a grant %s", (_, mintOne) => {
  it("reads its own upload, by id and by uid", async () => {
    const grant = await mintOne();
    const { id, uid } = await create(grant);
    for (const name of [id, uid])
      expect(await (await as(grant, "GET", `/uploads/${name}`)).json()).toMatchObject({ id, uid, state: "issued" });
    expect(await (await as(grant, "GET", `/uploads/${id}?view=stream`)).json()).toMatchObject({ video: { uid } });
  });

  it("gets the same 404 for every other upload, whoever created it", async () => {
    const grant = await mintOne();
    const foreign = [
      await create(acme.key),
      await create(acme.jwt),
      await create(await mint({ subject: "user-1" })),
      await create(await mint()),
      await create(await mint({}, acme.jwt)),
      { id: "01980000-0000-7000-8000-000000000000", uid: "0".repeat(32) },
    ];
    const answers: string[] = [];
    for (const { id, uid } of foreign)
      for (const name of [id, uid])
        for (const method of ["GET", "DELETE"]) {
          const answer = await as(grant, method, `/uploads/${name}`);
          const { requestId: __, ...problem } = await answer.json<Record<string, unknown>>();
          answers.push(`${answer.status} ${JSON.stringify(problem)}`);
        }
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toMatch(/^404 .*"code":"not_found"/);
  });

  it("lists nothing", async () => {
    const grant = await mintOne();
    await create(grant);
    expect(await codeOf(as(grant, "GET", "/uploads"))).toBe("scope_missing");
    for (const path of ["", "/storage-usage"]) {
      const headers = { Authorization: `Bearer ${grant}` };
      const listed = request("GET", `/client/v4/accounts/acme/stream${path}`, { headers });
      expect(await codeOf(listed)).toBe("scope_missing");
    }
  });

  it("cancels its upload while it is live, again and again, and releases what it holds", async () => {
    const grant = await mintOne();
    const { id } = await create(grant);
    for (let times = 0; times < 2; times++) {
      const cancelled = await as(grant, "DELETE", `/uploads/${id}`);
      expect([cancelled.status, await cancelled.json()]).toMatchObject([200, { id, state: "cancelled" }]);
    }
    expect(await env.LEDGER.getByName("acme").usage()).toMatchObject({ pending: 0 });
  });

  it.each([
    ["ready", "ready"],
    ["error", "failed"],
  ])("does not delete the video of an upload that is finished: %s", async (reported, state) => {
    const grant = await mintOne();
    const { id, uid } = await create(grant);
    await report(uid, reported);
    const refused = await as(grant, "DELETE", `/uploads/${id}`);
    expect([refused.status, await codeOf(refused)]).toEqual([403, "grant_used"]);
    expect(await (await as(grant, "GET", `/uploads/${id}`)).json()).toMatchObject({ state });
    expect(await statusOf(as(acme.key, "DELETE", `/uploads/${id}`))).toBe(200);
  });
});

describe("a grant that has expired", () => {
  it("reads and cancels its upload for 24 hours, and creates nothing", async () => {
    const grant = await mint({ expiresIn: 60 });
    const { id } = await create(grant);
    const start = Date.now();
    vi.useFakeTimers({ toFake: ["Date"], now: start + 86_400_000 });
    expect(await statusOf(as(grant, "GET", `/uploads/${id}`))).toBe(200);
    expect(await codeOf(post(grant))).toBe("credential_expired");
    vi.setSystemTime(start + 86_470_000);
    expect(await codeOf(as(grant, "GET", `/uploads/${id}`))).toBe("credential_expired");
    expect(await codeOf(as(grant, "DELETE", `/uploads/${id}`))).toBe("credential_expired");
  });

  it("cancels its upload within these 24 hours", async () => {
    const grant = await mint({ expiresIn: 60 });
    const { id } = await create(grant);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
    expect(await statusOf(as(grant, "DELETE", `/uploads/${id}`))).toBe(200);
  });
});

describe("a grant of an identity provider's token", () => {
  const mintBy = async (jwt: string, body: object) => {
    const minted = await as(jwt, "POST", "/grants", postJson(body));
    const { code, detail, expiresAt } = await minted.json<Record<string, string>>();
    return minted.ok ? (Date.parse(expiresAt ?? "") - Date.now()) / 1000 : `${minted.status} ${code} ${detail}`;
  };

  it("lasts an hour at most, unless its issuer says otherwise", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Math.floor(Date.now() / 1000) * 1000 });
    const refused = (most: number, found: number) =>
      `400 body_invalid expiresIn: must be at most ${most}, the maxGrantSeconds of your token's issuer (found: ${found}).`;
    expect(await mintBy(acme.jwt, { expiresIn: 86_400 })).toBe(refused(3_600, 86_400));
    expect(await mintBy(acme.jwt, { expiresIn: 3_600 })).toBe(3_600);
    expect(await mintBy(acme.jwt, {})).toBe(3_600);

    await asOperator("PUT", "/issuers/acme", { ...JWT_ISSUER, maxGrantSeconds: 86_400 });
    expect(await mintBy(acme.jwt, { expiresIn: 86_400 })).toBe(86_400);
    expect(await mintBy(acme.jwt, {})).toBe(3_600);

    await asOperator("PUT", "/issuers/acme", { ...JWT_ISSUER, maxGrantSeconds: 60 });
    expect(await mintBy(acme.jwt, { expiresIn: 61 })).toBe(refused(60, 61));
    expect(await mintBy(acme.jwt, {})).toBe(60);
  });
});

describe("a grant of a key that expires", () => {
  it("ends with the key at the latest, and reads its upload after that", async () => {
    const expiry = Math.floor(Date.now() / 1000) + 120;
    const expiresAt = new Date(expiry * 1000).toISOString();
    const minter = await newKey({}, { name: "short", expiresAt });
    expect(await codeOf(as(minter, "POST", "/grants", postJson({ expiresIn: 600 })))).toBe("body_invalid");
    const minted = await as(minter, "POST", "/grants", postJson({}));
    const { grant, expiresAt: end } = await minted.json<{ grant: string; expiresAt: string }>();
    expect(Date.parse(end)).toBe(expiry * 1000);
    const { id } = await create(grant);
    vi.useFakeTimers({ toFake: ["Date"], now: (expiry + 60) * 1000 });
    expect(await statusOf(as(grant, "GET", `/uploads/${id}`))).toBe(200);
    expect(await codeOf(post(grant))).toBe("credential_expired");
  });
});

describe("a grant whose key is revoked", () => {
  it("reads and cancels nothing", async () => {
    const minter = await newKey();
    const grant = await mint({}, minter);
    const { id } = await create(grant);
    const [, keyId] = minter.split("_");
    expect(await statusOf(asOperator("DELETE", `/tenants/acme/keys/${keyId}`))).toBe(204);
    for (const method of ["GET", "DELETE"])
      await expect.poll(() => codeOf(as(grant, method, `/uploads/${id}`))).toBe("credential_revoked");
  });
});
