import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { asOperator, codeOf } from "../support/worker.ts";

interface Entry {
  readonly id: string;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly tenant?: string;
  readonly details: Record<string, unknown>;
}

async function audit(query = ""): Promise<{ entries: Entry[]; cursor?: string }> {
  return (await asOperator("GET", `/audit${query}`)).json();
}

describe("GET /audit", () => {
  it("lists every change by the operator, newest first and without secrets", async () => {
    await asOperator("PUT", "/upstreams/eu?check=false", { accountId: "abc", apiToken: "stream-token-of-eu" });
    await asOperator("PUT", "/tenants/acme", { name: "Acme", policy: { upload: { maxBytes: 5 } } });
    const made = await asOperator("POST", "/tenants/acme/keys", { name: "backend", scopes: ["policy:read"] });
    const { id, key } = await made.json<{ id: string; key: string }>();
    await asOperator("DELETE", `/tenants/acme/keys/${id}`);
    const issuer = { issuer: "https://idp.example/", audiences: ["sluice"] };
    const shared = "a-shared-secret-of-32-bytes-or-more";
    await asOperator("PUT", "/issuers/idp", { ...issuer, tenant: { fixed: "acme" }, keys: { secrets: [shared] } });
    const keys = { jwksUrl: "https://idp.example/jwks" };
    await asOperator("PUT", "/issuers/all", { ...issuer, tenant: { claim: "org" }, keys });
    await asOperator("DELETE", "/issuers/idp");
    await asOperator("DELETE", "/issuers/all");
    const endpoint = await asOperator("PUT", "/tenants/acme/endpoints/main", {
      url: "https://hooks.acme.com/s3cr3t?t=oken",
    });
    const { secret } = await endpoint.json<{ secret: string }>();
    const rotated = await asOperator("POST", "/tenants/acme/endpoints/main/rotate");
    const { secret: second } = await rotated.json<{ secret: string }>();
    await asOperator("DELETE", "/tenants/acme/endpoints/main");
    await asOperator("DELETE", "/tenants/acme");
    await asOperator("DELETE", "/upstreams/eu");

    const { entries } = await audit();
    expect(entries.map(({ action, target, tenant }) => [action, target, tenant])).toEqual([
      ["upstream.delete", "eu", undefined],
      ["tenant.delete", "acme", "acme"],
      ["endpoint.delete", "main", "acme"],
      ["endpoint.rotate", "main", "acme"],
      ["endpoint.put", "main", "acme"],
      ["issuer.delete", "all", undefined],
      ["issuer.delete", "idp", "acme"],
      ["issuer.put", "all", undefined],
      ["issuer.put", "idp", "acme"],
      ["key.revoke", id, "acme"],
      ["key.create", id, "acme"],
      ["tenant.put", "acme", "acme"],
      ["upstream.put", "eu", undefined],
    ]);
    expect(entries.every(({ actor, at }) => actor === "operator" && /^\d{4}-.*Z$/.test(at))).toBe(true);
    expect(entries.find(({ action }) => action === "tenant.put")?.details).toMatchObject({
      name: "Acme",
      policy: { upload: { maxBytes: 5 } },
    });
    const text = JSON.stringify(await env.DB.prepare("SELECT * FROM audit").all());
    const secrets = [key.split("_")[2], "stream-token-of-eu", shared, secret, second, "s3cr3t", "oken"];
    for (const secret of secrets) expect(text).not.toContain(secret);
  });

  it("has no entry for calls that change nothing", async () => {
    await asOperator("PUT", "/tenants/acme", { upstream: "nowhere" });
    await asOperator("POST", "/tenants/nobody/keys", { name: "a" });
    await asOperator("PUT", "/tenants/acme", {});
    const before = await audit();
    await asOperator("DELETE", "/tenants/acme/keys/0123456789ABCDEF");
    await asOperator("DELETE", "/tenants/nobody");
    await asOperator("DELETE", "/issuers/idp");
    await asOperator("DELETE", "/upstreams/eu");
    await asOperator("DELETE", "/tenants/acme/endpoints/main");
    await asOperator("POST", "/tenants/acme/endpoints/main/rotate");
    await asOperator("PUT", "/tenants/nobody/endpoints/main", { url: "https://hooks.acme.com/" });
    expect(await audit()).toEqual(before);
    expect(before.entries).toHaveLength(1);
  });

  it("returns pages of all entries, or of one tenant", async () => {
    for (let index = 0; index < 5; index++) await asOperator("PUT", `/tenants/t${index % 2}`, { name: `n${index}` });
    const names = (page: { entries: Entry[] }) => page.entries.map(({ details }) => details["name"]);
    const first = await audit("?limit=2");
    expect(names(first)).toEqual(["n4", "n3"]);
    const second = await audit(`?limit=2&cursor=${first.cursor}`);
    expect(names(second)).toEqual(["n2", "n1"]);
    const third = await audit(`?limit=2&cursor=${second.cursor}`);
    expect(names(third)).toEqual(["n0"]);
    expect(third).not.toHaveProperty("cursor");
    expect(names(await audit("?tenant=t1"))).toEqual(["n3", "n1"]);
    expect(names(await audit("?tenant=nobody"))).toEqual([]);
    for (const query of ["?cursor=x", "?cursor=-1", "?limit=0", "?limit=101", "?tenant=A%20B"])
      expect(await codeOf(asOperator("GET", `/audit${query}`)), query).toBe("bad_request");
  });

  it("names the settings of entries from earlier versions as the documents do", async () => {
    const details = { name: "Acme", policy: {}, limits: {}, upstream: "default", suspended: false };
    await env.DB.prepare("INSERT INTO audit VALUES (1, 1700000000000, 'operator', 'tenant.put', 'acme', 'acme', ?)")
      .bind(JSON.stringify({ ...details, abandoned: "keep" }))
      .run();
    expect((await audit()).entries).toEqual([
      {
        id: "1",
        at: "2023-11-14T22:13:20.000Z",
        actor: "operator",
        action: "tenant.put",
        target: "acme",
        tenant: "acme",
        details: { ...details, unfinishedUploads: "keep" },
      },
    ]);
  });

  it("stores the name of earlier versions for unfinishedUploads", async () => {
    await asOperator("PUT", "/tenants/acme", { unfinishedUploads: "keep" });
    expect(
      JSON.parse((await env.DB.prepare("SELECT details FROM audit").first<string>("details")) ?? ""),
    ).toMatchObject({
      abandoned: "keep",
    });
    const [entry] = (await audit()).entries;
    expect(entry?.details).toMatchObject({ unfinishedUploads: "keep" });
    expect(entry?.details).not.toHaveProperty("abandoned");
  });
});

describe("the table audit", () => {
  it("rejects updates and deletions", async () => {
    await asOperator("PUT", "/tenants/acme", {});
    await expect(env.DB.exec("UPDATE audit SET actor = 'sluice'")).rejects.toThrow("only added to");
    await expect(env.DB.exec("DELETE FROM audit")).rejects.toThrow("only added to");
  });
});
