import { describe, expect, it } from "vitest";
import { authenticate, versionOf } from "../../../src/core/auth/authenticate.ts";
import type { Credentials } from "../../../src/core/auth/rules/credential.ts";
import type { ApiKeyRecord } from "../../../src/core/auth/rules/api-key.ts";
import type { Grant } from "../../../src/core/auth/rules/grant.ts";
import type { Issuer } from "../../../src/core/auth/rules/issuer.ts";
import type { Scope } from "../../../src/core/auth/rules/scopes.ts";
import { problem } from "../../../src/core/shared/problem.ts";
import { type Result, err } from "../../../src/core/shared/result.ts";
import type { Tenant } from "../../../src/core/shared/tenant.ts";
import { NOON } from "../../support/policy-fixtures.ts";
import {
  ALL_SCOPES,
  ISS,
  KEY,
  KEY_ID,
  bearer,
  grant,
  issuer,
  keyRecord,
  outcomeOf,
  portsOf,
  sent,
  tenant,
} from "../../support/auth-fixtures.ts";

describe("authenticate", () => {
  it.each<[headers: Record<string, string>, grant: string | undefined, code: string]>([
    [{}, undefined, "credential_missing"],
    [{ authorization: `Bearer ${KEY}` }, "grant", "credential_ambiguous"],
    [{ authorization: `Bearer ${KEY}` }, "", "credential_ambiguous"],
    [{ authorization: `Bearer ${KEY}`, "x-api-key": KEY }, undefined, "credential_ambiguous"],
    [{ "x-api-key": KEY }, "grant", "credential_ambiguous"],
    [{ authorization: "", "x-api-key": "" }, "", "credential_ambiguous"],
    [{ authorization: `Basic ${KEY}` }, undefined, "credential_invalid"],
    [{ authorization: "Bearer " }, undefined, "credential_invalid"],
    [{ authorization: "Bearer a b" }, undefined, "credential_invalid"],
    [{ authorization: "Bearer a.b.c" }, undefined, "credential_invalid"],
    [{ authorization: `Bearer ${"x".repeat(8_193)}` }, undefined, "credential_too_large"],
    [{ authorization: `Bearer ${"x".repeat(8_192)}` }, undefined, "credential_invalid"],
    [{ "x-api-key": "x".repeat(8_193) }, undefined, "credential_too_large"],
    [{ "x-api-key": "" }, undefined, "credential_invalid"],
    [{ "x-api-key": "jwt" }, undefined, "credential_invalid"],
    [{ "x-api-key": "grant" }, undefined, "credential_invalid"],
    [{}, "x".repeat(8_193), "credential_too_large"],
    [{}, KEY, "credential_invalid"],
    [{}, "jwt", "credential_invalid"],
    [{}, "", "credential_invalid"],
  ])("refuses the headers %j and the grant %j with %s", async (headers, grant, code) => {
    expect(await outcomeOf(portsOf({}), sent(headers, grant))).toBe(code);
  });

  it("looks the tenant up only after the credential was verified for it", async () => {
    const lookUps: string[] = [];
    const ports = portsOf({});
    const registry: typeof ports.registry = {
      ...ports.registry,
      tenant(id) {
        lookUps.push(id);
        return ports.registry.tenant(id);
      },
    };
    expect(await outcomeOf({ ...ports, registry }, bearer("unknown"))).toBe("credential_invalid");
    expect(await outcomeOf({ ...ports, registry }, { ...bearer(KEY), tenant: "other" })).toBe("tenant_mismatch");
    expect(lookUps).toEqual([]);
  });

  it.each<[Tenant | undefined, Scope, code: string]>([
    [undefined, "uploads:create", "not_found"],
    [{ ...tenant, suspended: true }, "uploads:create", "tenant_suspended"],
    [tenant, "uploads:delete", "scope_missing"],
  ])("refuses a valid key for the tenant %j and the scope %s with %s", async (tenant, scope, code) => {
    expect(await outcomeOf(portsOf({ tenant }), bearer(KEY), scope)).toBe(code);
  });

  it("names the missing scope and those of the credential", async () => {
    expect(await authenticate(portsOf({}), bearer("grant"), "uploads:read")).toMatchObject({
      ok: false,
      problem: { key: "uploads:read", detail: "The credential lacks the scope uploads:read (found: uploads:create)." },
    });
  });

  it.each(["tenant", "apiKey", "issuers"] as const)("returns the problem if registry.%s fails", async (method) => {
    const ports = portsOf({ grant: { ...grant, mintedBy: { issuer: "idp", iss: ISS } } });
    const failure: Result<never> = err(problem("registry_unavailable", "The registry is not available."));
    const registry = { ...ports.registry, [method]: () => Promise.resolve(failure) };
    const tokens = { tenant: [KEY, "jwt", "grant"], apiKey: [KEY], issuers: ["jwt", "grant"] }[method];
    for (const token of tokens)
      expect(await outcomeOf({ ...ports, registry }, bearer(token))).toBe("registry_unavailable");
  });

  it("returns the problem if the token is not valid, or the minter of a grant cannot be read", async () => {
    const invalid: Result<never> = err(problem("credential_expired", "The token has expired."));
    const ports = portsOf({ signature: () => invalid });
    const tokens = { ...ports.tokens, verifyGrant: () => Promise.resolve(invalid) };
    for (const token of ["jwt", "grant"])
      expect(await outcomeOf({ ...ports, tokens }, bearer(token))).toBe("credential_expired");

    const failure: Result<never> = err(problem("registry_unavailable", "The registry is not available."));
    const registry = { ...ports.registry, apiKey: () => Promise.resolve(failure) };
    expect(await outcomeOf({ ...ports, registry }, bearer("grant"))).toBe("registry_unavailable");
  });
});

describe("authenticate with an API key", () => {
  it.each<[Record<string, string>]>([[{ authorization: `Bearer ${KEY}` }], [{ "x-api-key": KEY }]])(
    "returns the caller of %j",
    async (headers) => {
      expect(await outcomeOf(portsOf({}), sent(headers))).toEqual({
        tenant: "acme",
        kind: "api-key",
        credential: KEY_ID,
        scopes: ALL_SCOPES,
        version: 4,
      });
    },
  );

  it.each<[change: Partial<ApiKeyRecord>, outcome: string | undefined]>([
    [{ revoked: true }, "credential_revoked"],
    [{ expiresAt: NOON * 1000 }, "credential_expired"],
    [{ expiresAt: NOON * 1000 + 1 }, undefined],
    [{ hash: new Uint8Array(32) }, "credential_invalid"],
  ])("decides on a key with %j: %s", async (change, code) => {
    const outcome = await outcomeOf(portsOf({ key: { ...keyRecord, ...change } }), bearer(KEY));
    expect(typeof outcome === "string" ? outcome : undefined).toBe(code);
  });

  it("refuses an unknown key", async () => {
    expect(await outcomeOf(portsOf({ key: undefined }), bearer(KEY))).toBe("credential_invalid");
  });
});

describe("authenticate with a grant", () => {
  it.each<[string, Credentials]>([
    ["Authorization", bearer("grant")],
    ["the metadata", sent({}, "grant")],
  ])("returns the caller of one in %s", async (_, credentials) => {
    expect(await outcomeOf(portsOf({}), credentials)).toEqual({
      tenant: "acme",
      kind: "grant",
      credential: "jti-1",
      scopes: new Set(["uploads:create"]),
      version: 4,
      grant: { uploads: 1 },
    });
  });

  it("returns the grant's person and policy", async () => {
    const policy = { upload: { maxBytes: 5 } };
    const person = { namespace: "auth0", subject: "user-1" };
    expect(await outcomeOf(portsOf({ grant: { ...grant, person, policy } }), bearer("grant"))).toMatchObject({
      person,
      policy: { source: "grant", json: policy },
    });
  });

  it("returns what the grant says about its uploads", async () => {
    const more = { uploads: 3, reference: "order 7" };
    expect(await outcomeOf(portsOf({ grant: { ...grant, ...more } }), bearer("grant"))).toMatchObject({ grant: more });
  });

  it("refuses a policy that is not valid", async () => {
    expect(await outcomeOf(portsOf({ grant: { ...grant, policy: [] } }), bearer("grant"))).toBe("credential_invalid");
  });

  it.each<[key: ApiKeyRecord | undefined, code: string]>([
    [undefined, "credential_revoked"],
    [{ ...keyRecord, revoked: true }, "credential_revoked"],
    [{ ...keyRecord, expiresAt: NOON * 1000 }, "credential_expired"],
  ])("refuses a grant of the key %j with %s", async (key, code) => {
    expect(await outcomeOf(portsOf({ key }), bearer("grant"))).toBe(code);
  });

  const ofIssuer: Grant = { ...grant, mintedBy: { issuer: "idp", iss: ISS } };

  it("returns the version of the issuer that minted the grant", async () => {
    const others = [{ ...issuer, id: "other", version: 9 }];
    expect(await outcomeOf(portsOf({ grant: ofIssuer, issuers: [...others, issuer] }), bearer("grant"))).toMatchObject({
      version: 3,
    });
    const { version: _, ...shared } = { ...issuer, tenant: { kind: "claim", claim: "org" } as const };
    expect(await outcomeOf(portsOf({ grant: ofIssuer, issuers: [shared] }), bearer("grant"))).toMatchObject({
      version: Infinity,
    });
  });

  it.each<[what: string, issuers: readonly Issuer[]]>([
    ["is deleted", []],
    ["has another id", [{ ...issuer, id: "other" }]],
    ["may no longer mint", [{ ...issuer, scopes: { kind: "fixed", scopes: new Set<Scope>(["uploads:create"]) } }]],
    ["is for another tenant", [{ ...issuer, tenant: { kind: "fixed", id: "other" } }]],
    [
      "maps no claim to minting",
      [{ ...issuer, scopes: { kind: "claim", claim: "p", map: { a: ["uploads:create"] } } }],
    ],
  ])("refuses a grant if the issuer that minted it %s", async (_, issuers) => {
    expect(await outcomeOf(portsOf({ grant: ofIssuer, issuers }), bearer("grant"))).toBe("credential_revoked");
  });
});

describe("authenticate with a grant of an issuer whose scopes are in a claim", () => {
  it.each([undefined, { "video.mint": ["grants:create"] } as const])("accepts it with the map %j", async (map) => {
    const scopes = { kind: "claim", claim: "permissions", ...(map && { map }) } as const;
    const ofIssuer: Grant = { ...grant, mintedBy: { issuer: "idp", iss: ISS } };
    const ports = portsOf({ grant: ofIssuer, issuers: [{ ...issuer, scopes }] });
    expect(await outcomeOf(ports, bearer("grant"))).toMatchObject({ kind: "grant" });
  });
});

describe("authenticate without a credential", () => {
  it("says where a grant goes if an upload is created", async () => {
    const detailOf = async (scope: Scope) => {
      const access = await authenticate(portsOf({}), sent({}), scope);
      return access.ok ? undefined : access.problem.detail;
    };
    expect(await detailOf("uploads:create")).toBe(
      "Send a grant as the metadata key grant (in a JSON body: meta.grant), or Authorization: Bearer <API key, JWT or grant>.",
    );
    expect(await detailOf("uploads:read")).toBe("Send Authorization: Bearer <API key, JWT or grant>.");
  });
});

describe("versionOf", () => {
  it("returns the older version", () => {
    const caller = { tenant: "acme", kind: "api-key", credential: "k", scopes: ALL_SCOPES, version: 4 } as const;
    expect(versionOf({ tenant, caller })).toBe(4);
    expect(versionOf({ tenant, caller: { ...caller, version: 6 } })).toBe(5);
  });
});
