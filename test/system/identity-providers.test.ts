import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { withProviderHosts } from "../support/provider-hosts.ts";
import { DOCUMENTS, TOKENS, documentOf, signToken } from "../support/provider-tokens.ts";

/** Every document of `docs/identity-providers.md`, with a token of the shape that the page shows. */

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway({ REGISTRY_CACHE_SECONDS: "0" }, {}, withProviderHosts(inject("gatewayTemplate")));
  await gateway.tenant("acme");
  await gateway.tenant("other");
  await gateway.operator("PUT", "/plans/free", {});
});
afterAll(() => gateway.stop());

/** Registers the document that a token is for, and no other. */
async function register(token: string): Promise<string> {
  const id = documentOf(token);
  for (const name of Object.keys(DOCUMENTS))
    await gateway.operator("DELETE", `/issuers/${name}`).catch(() => undefined);
  await gateway.operator("PUT", `/issuers/${id}`, DOCUMENTS[id]);
  return id;
}

/** As the clients of a provider send its tokens: Access adds a header of its own. */
function credential(token: string, text: string): Record<string, string> {
  const { header } = DOCUMENTS[documentOf(token)] ?? {};
  return header === undefined ? bearer(text) : { [header]: text };
}

interface Checked {
  readonly tenant: { readonly id: string; readonly state: string };
}

const NAMES = Object.keys(TOKENS);

describe.each(NAMES)("a token of %s", (name) => {
  let id: string;
  let headers: Record<string, string>;

  beforeAll(async () => {
    id = await register(name);
    headers = credential(name, await signToken(name));
  });

  const uploads = async (tenant = "acme") => fetch(`${gateway.url}/v1/${tenant}/uploads`, { headers });

  it("creates, lists and cancels an upload of its person", async () => {
    const created = await create(gateway.url, "acme", headers);
    expect([created.status, await created.text()]).toEqual([201, ""]);
    const upload = created.headers.get("sluice-upload-id") ?? "";
    const { uploads: listed } = (await (await uploads()).json()) as { uploads: { id: string; subject: string }[] };
    expect(listed.map((listed) => listed.id)).toContain(upload);
    const subject =
      name === "entra" ? "oid" : name === "okta" ? "uid" : name === "access-service" ? "common_name" : "sub";
    expect(listed[0]?.subject).toBe(TOKENS[name]?.[subject]);
    const cancelled = await fetch(`${gateway.url}/v1/acme/uploads/${upload}`, { method: "DELETE", headers });
    expect(cancelled.status).toBe(200);
  });

  it("is refused at another tenant", async () => {
    for (const answer of [await create(gateway.url, "other", headers), await uploads("other")])
      expect([answer.status, (await problemOf(answer)).code]).toEqual([403, "tenant_mismatch"]);
  });

  it("is refused if another key has signed it", async () => {
    const forged = credential(name, await signToken(name, { forged: true }));
    const answer = await create(gateway.url, "acme", {
      ...forged,
      "CF-Connecting-IP": `10.1.0.${NAMES.indexOf(name)}`,
    });
    expect([answer.status, (await problemOf(answer)).code]).toEqual([401, "credential_invalid"]);
  });

  it("passes every step of the check", async () => {
    const answer = await gateway.operator("POST", `/issuers/${id}/check`, { token: await signToken(name) });
    expect(answer).toMatchObject({ ok: true });
  });
});

describe("a token of a customer who comes by itself", () => {
  it("makes its tenant, and opens no tenant that exists", async () => {
    await register("auth0-many");
    const token = await signToken("auth0");
    const check = async () =>
      (await gateway.operator("POST", "/issuers/auth0-many/check", { token })) as unknown as Checked;
    const { tenant } = await check();
    expect(tenant).toEqual({
      id: expect.stringMatching(/^org-9ybsu1dn7dki6wdy-[a-z2-7]{10}$/) as string,
      state: "provisioned",
    });
    expect((await create(gateway.url, tenant.id, bearer(token))).status).toBe(201);
    expect((await check()).tenant).toEqual({ id: tenant.id, state: "exists" });
    const chosen = await signToken("auth0", { claims: { org_id: "acme" } });
    expect((await problemOf(await create(gateway.url, "acme", bearer(chosen)))).code).toBe("tenant_mismatch");
  });
});
