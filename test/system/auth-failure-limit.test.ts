import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { type IdentityProvider, startIdentityProvider } from "../support/identity-provider.ts";

let harness: TestGateway;
let key: string;
let idp: IdentityProvider;

beforeAll(async () => {
  harness = await startTestGateway();
  key = await harness.tenant("acme");
  idp = await startIdentityProvider();
  await harness.operator("PUT", "/issuers/idp", {
    issuer: "https://idp.example/",
    audiences: ["sluice"],
    keys: { jwksUrl: idp.jwksUrl },
    tenant: { claim: "org" },
    require: { sub: "user-1" },
  });
});
afterAll(async () => {
  idp.stop();
  await harness.stop();
});

describe("auth failure limit", () => {
  it("returns 429 to an address with many failed attempts and still accepts its valid credentials", async () => {
    const attempt = (address: string, credential: string) =>
      create(harness.url, "acme", { ...bearer(credential), "CF-Connecting-IP": address });
    const codes = new Set<string>();
    let last: Response | undefined;
    // Twice the limit, since a window of the local limiter may end meanwhile.
    for (let index = 0; index < 62; index++) {
      last = await attempt("2001:db8::1", "junk");
      codes.add((await problemOf(last.clone())).code);
    }
    expect([...codes]).toEqual(["credential_invalid", "too_many_failures"]);
    expect(last?.status).toBe(429);
    const retryAfter = Number(last?.headers.get("retry-after"));
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(60);
    expect(last?.headers.get("www-authenticate")).toBeNull();

    // Addresses of one /64 network share the limit.
    expect((await attempt("2001:db8::ffff:1", "junk")).status).toBe(429);
    expect((await attempt("2001:0DB8:0000::0001", "junk")).status).toBe(429);
    expect((await attempt("2001:db8:0:1::1", "junk")).status).toBe(401);
    expect((await attempt("2001:db8::1", key)).status).toBe(201);
  });

  const EXPIRED = { exp: 1_000 };

  it("does not count what is no guess, 31 times each", async () => {
    const address = { "CF-Connecting-IP": "192.0.2.1" };
    const attempt = async (headers: Record<string, string>, tenant = "acme") => {
      const answer = await create(harness.url, tenant, { ...headers, ...address });
      return answer.ok ? "created" : (await problemOf(answer)).code;
    };
    const made = await harness.operator("POST", "/tenants/acme/keys", { name: "revoked" });
    await harness.operator("DELETE", `/tenants/acme/keys/${made["id"]}`);
    const attempts: [code: string, headers: Record<string, string>, tenant?: string][] = [
      ["credential_expired", bearer(await idp.sign(EXPIRED))],
      ["credential_not_yet_valid", bearer(await idp.sign({ nbf: 9_999_999_999 }))],
      ["credential_wrong_audience", bearer(await idp.sign({ aud: "other" }))],
      ["credential_rejected", bearer(await idp.sign({ sub: "user-2" }))],
      ["credential_unknown_issuer", bearer(await idp.sign({ iss: "https://unknown.example/" }))],
      ["tenant_mismatch", bearer(await idp.sign({})), "other"],
      ["credential_revoked", bearer(made["key"] ?? "")],
      ["credential_missing", {}],
      ["credential_ambiguous", { ...bearer(key), "X-API-Key": key }],
    ];
    for (const [code, headers, tenant] of attempts) {
      const codes = await Promise.all(Array.from({ length: 31 }, () => attempt(headers, tenant)));
      expect([...new Set(codes)]).toEqual([code]);
    }
    expect(await attempt(bearer(await idp.sign({})))).toBe("created");
  });

  it.each<[string, () => Promise<string>, string]>([
    ["signed by somebody else", () => idp.forge("another key"), "credential_invalid"],
    ["signed by somebody else that have expired, too", () => idp.forge("another key", EXPIRED), "credential_invalid"],
    ["of unknown keys", () => idp.sign({}, "unknown"), "credential_unknown_key"],
    ["that are malformed", () => Promise.resolve("e30.e30.e30"), "credential_invalid"],
  ])("counts tokens %s", async (title, sign, code) => {
    const address = { "CF-Connecting-IP": `192.0.2.${10 + title.length}` };
    const token = await sign();
    const codes = new Set<string>();
    for (let index = 0; index < 62; index++)
      codes.add((await problemOf(await create(harness.url, "acme", { ...bearer(token), ...address }))).code);
    expect([...codes]).toEqual([code, "too_many_failures"]);
    expect((await create(harness.url, "acme", { ...bearer(await idp.sign({})), ...address })).status).toBe(201);
  });
});
