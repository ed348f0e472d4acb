import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { asOperator, codeOf } from "../support/worker.ts";

const UPSTREAM = { accountId: "account", apiToken: "stream-token" };
describe("upstreams of the admin API", () => {
  it.each([
    ["stream-token", UPSTREAM],
    ["global-key", { accountId: "account", apiEmail: "ops@example.com", apiKey: "global-key" }],
  ])("never returns a stored credential: %s", async (secret, document) => {
    const put = await asOperator("PUT", "/upstreams/eu?check=false", {
      ...document,
      apiBase: "https://api.example/v4//",
    });
    expect(put.status).toBe(201);
    expect(
      (await asOperator("PUT", "/upstreams/eu?check=false", { ...document, apiBase: "https://api.example/v4" })).status,
    ).toBe(200);
    const texts = [await put.text()];
    for (const path of ["/upstreams/eu", "/upstreams"]) texts.push(await (await asOperator("GET", path)).text());
    texts.push(JSON.stringify((await env.DB.prepare("SELECT * FROM upstreams").all()).results));
    for (const text of texts) expect(text).not.toContain(secret);
    expect(JSON.parse(texts[0] ?? "")).toMatchObject({
      id: "eu",
      accountId: "account",
      apiBase: "https://api.example/v4",
    });
  });

  it("returns 409 for changes to the upstream named default", async () => {
    expect(await codeOf(asOperator("PUT", "/upstreams/default", UPSTREAM))).toBe("conflict");
    expect(await codeOf(asOperator("DELETE", "/upstreams/default"))).toBe("conflict");
  });

  it("uses Cloudflare's API and upload hosts by default", async () => {
    expect((await asOperator("PUT", "/upstreams/eu?check=false", UPSTREAM)).status).toBe(201);
    expect(await (await asOperator("GET", "/upstreams/eu")).json()).toEqual({
      id: "eu",
      accountId: "account",
      apiBase: "https://api.cloudflare.com/client/v4",
      uploadHosts: ["upload.videodelivery.net", "upload.cloudflarestream.com"],
    });
  });

  it("returns 409 when the account of an upstream in use is changed", async () => {
    await asOperator("PUT", "/upstreams/eu?check=false", UPSTREAM);
    await asOperator("PUT", "/tenants/acme", { upstream: "eu" });
    const other = { ...UPSTREAM, accountId: "other" };
    expect(await codeOf(asOperator("PUT", "/upstreams/eu?check=false", other))).toBe("conflict");
    expect((await asOperator("PUT", "/upstreams/eu?check=false", { ...UPSTREAM, apiToken: "rotated" })).status).toBe(
      200,
    );
    expect(await (await asOperator("GET", "/upstreams/eu")).json()).toMatchObject({ accountId: "account" });
    await asOperator("PUT", "/tenants/acme", {});
    expect((await asOperator("PUT", "/upstreams/eu?check=false", other)).status).toBe(200);
  });
});
