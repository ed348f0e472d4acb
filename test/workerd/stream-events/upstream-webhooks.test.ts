import { env, exports } from "cloudflare:workers";
import { beforeEach, describe, expect, inject, it } from "vitest";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import { parseConfig } from "../../../src/config.ts";
import { asOperator, codeOf } from "../support/worker.ts";

/** An upstream's webhook: its secrets in the registry, and its registration at the local Stream. */

const stream = inject("stream");
const SECRETS = ["1".repeat(32), "2".repeat(32)];
const { accountId, apiBase, uploadHost, token } = stream;
const UPSTREAM = { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token };
const OURS = "https://sluice.example/hooks/stream/eu";

beforeEach(async () => void (await fetch(`${stream.url}/_control/reset`, { method: "POST" })));

async function secrets(id = "eu"): Promise<readonly string[] | undefined> {
  const config = parseConfig(env);
  const registry = createRegistry(env.DB, config, createFieldEncryption(config.masterKeys), Date.now);
  const upstream = await registry.upstream(id);
  return upstream.ok ? upstream.value?.webhookSecrets : undefined;
}

async function atStream(method: "GET" | "PUT", notificationUrl?: string): Promise<Record<string, string>> {
  const answer = await fetch(`${apiBase}/accounts/${accountId}/stream/webhook`, {
    method,
    headers: { Authorization: `Bearer ${token}` },
    ...(notificationUrl && { body: JSON.stringify({ notificationUrl }) }),
  });
  return (await answer.json<{ result: Record<string, string> }>()).result;
}

describe("webhookSecrets of an upstream document", () => {
  it("are encrypted and never returned", async () => {
    const texts = [
      await (await asOperator("PUT", "/upstreams/eu?check=false", { ...UPSTREAM, webhookSecrets: SECRETS })).text(),
    ];
    for (const path of ["/upstreams/eu", "/upstreams"]) texts.push(await (await asOperator("GET", path)).text());
    texts.push(JSON.stringify((await env.DB.prepare("SELECT * FROM upstreams").all()).results));
    for (const text of texts) expect(text).not.toContain("11111111");
    expect(await secrets()).toEqual(SECRETS);
  });

  it("stay without a list, and are deleted by an empty list or another account", async () => {
    const put = (more: object) => asOperator("PUT", "/upstreams/eu?check=false", { ...UPSTREAM, ...more });
    await put({ webhookSecrets: SECRETS });
    await put({ apiToken: "rotated" });
    expect(await secrets()).toEqual(SECRETS);
    await put({ webhookSecrets: [] });
    expect(await secrets()).toEqual([]);
    await put({ webhookSecrets: SECRETS });
    await put({ accountId: "another" });
    expect(await secrets()).toEqual([]);
    expect(await env.DB.prepare("SELECT sealed_webhook_secrets AS sealed FROM upstreams").first("sealed")).toBeNull();
  });

  it("cannot be decrypted in another row, whose upstream then has none", async () => {
    await asOperator("PUT", "/upstreams/eu?check=false", { ...UPSTREAM, webhookSecrets: SECRETS });
    await asOperator("PUT", "/upstreams/us?check=false", UPSTREAM);
    await env.DB.exec(
      "UPDATE upstreams SET sealed_webhook_secrets = (SELECT sealed_webhook_secrets FROM upstreams WHERE id = 'eu')",
    );
    expect([await secrets("eu"), await secrets("us")]).toEqual([SECRETS, []]);
  });

  it.each([["short"], [Array(4).fill(SECRETS[0]).join()], ["with a blank in it, and long"]])(
    "are rejected when they are %s",
    async (text) => {
      const webhookSecrets = text.length > 40 ? text.split(",") : [text];
      const answer = await asOperator("PUT", "/upstreams/eu?check=false", { ...UPSTREAM, webhookSecrets });
      expect(await answer.json()).toMatchObject({
        code: "body_invalid",
        key: expect.stringContaining("webhookSecrets"),
      });
    },
  );
});

describe("PUT upstreams/:id/webhook", () => {
  const register = (body: object = {}) => asOperator("PUT", "/upstreams/eu/webhook", body);
  beforeEach(async () => void (await asOperator("PUT", "/upstreams/eu?check=false", UPSTREAM)));

  it("registers the webhook at Stream and stores its secret", async () => {
    expect(await codeOf(asOperator("GET", "/upstreams/eu/webhook"))).toBe("not_found");
    const answer = await register();
    expect(await answer.json()).toEqual({ notificationUrl: OURS });
    const { notificationUrl, secret } = await atStream("GET");
    expect(notificationUrl).toBe(OURS);
    expect(await secrets()).toEqual([secret]);
    expect(await (await asOperator("GET", "/upstreams/eu/webhook")).json()).toEqual({ notificationUrl: OURS });
  });

  it("changes nothing when repeated, and keeps one previous secret when the address changes", async () => {
    await register();
    const [first = ""] = (await secrets()) ?? [];
    await register();
    expect(await secrets()).toEqual([first]);
    const moved = await register({ gateway: "https://uploads.example/admin", force: true });
    expect(await moved.json()).toEqual({ notificationUrl: "https://uploads.example/hooks/stream/eu", replaced: OURS });
    const [second = "", ...before] = (await secrets()) ?? [];
    expect(before).toEqual([first]);
    await register({ force: true });
    const third = (await atStream("GET"))["secret"] ?? "";
    expect(await secrets()).toEqual([third, second]);
  });

  it("returns 409 with the URL of another webhook, and replaces it by force", async () => {
    await atStream("PUT", "https://other.example/events");
    const conflict = await register();
    expect(conflict.status).toBe(409);
    expect((await conflict.json<{ detail: string }>()).detail).toContain("https://other.example/events");
    expect(await atStream("GET")).toMatchObject({ notificationUrl: "https://other.example/events" });
    expect(await secrets()).toEqual([]);
    expect((await register({ force: true })).status).toBe(200);
  });

  it("rejects a secret with a comma or a space", async () => {
    const result = { notificationUrl: OURS, secret: "with, comma and a blank" };
    for (const answer of [{ status: 404 }, { status: 200, body: JSON.stringify({ success: true, result }) }]) {
      const fault = JSON.stringify({ on: "api", kind: "status", ...answer });
      await fetch(`${stream.url}/_control/faults`, { method: "POST", body: fault });
    }
    expect(await codeOf(register())).toBe("stream_bad_answer");
    expect(await secrets()).toEqual([]);
  });

  it("stores no secret when the upstream's account changes meanwhile", async () => {
    const latency = JSON.stringify({ on: "api", kind: "latency", milliseconds: 500 });
    await fetch(`${stream.url}/_control/faults`, { method: "POST", body: latency });
    const registering = register();
    await expect
      .poll(async () => (await fetch(`${stream.url}/_control/requests`)).json())
      .toMatchObject([{ method: "GET" }]);
    await asOperator("PUT", "/upstreams/eu?check=false", { ...UPSTREAM, accountId: "another" });
    expect(await codeOf(registering)).toBe("conflict");
    expect(await secrets()).toEqual([]);
  });

  it("returns Stream's error to the operator", async () => {
    await asOperator("PUT", "/upstreams/eu?check=false", { ...UPSTREAM, apiToken: "revoked" });
    const answer = await register();
    expect(answer.status).toBe(502);
    expect(await answer.json()).toMatchObject({ code: "stream_error", detail: expect.stringContaining("401") });
    await asOperator("PUT", "/upstreams/eu?check=false", { ...UPSTREAM, apiBase: "http://127.0.0.1:1" });
    expect(await codeOf(register())).toBe("stream_unreachable");
  });

  it("returns 404 for an unknown upstream, 400 for invalid input, 405 for DELETE", async () => {
    expect(await codeOf(asOperator("PUT", "/upstreams/none/webhook", {}))).toBe("not_found");
    expect(await codeOf(asOperator("PUT", "/upstreams/NO/webhook", {}))).toBe("bad_request");
    expect(await codeOf(register({ gateway: "ftp://x" }))).toBe("body_invalid");
    expect(await codeOf(asOperator("DELETE", "/upstreams/eu/webhook"))).toBe("method_not_allowed");
  });

  it.each(["https://sluice.internal", "https://10.0.0.1", "http://sluice.example"])(
    "does not register the address %s of the request, which Stream cannot call",
    async (address) => {
      const url = `${address}/admin/v1/upstreams/eu/webhook`;
      const headers = { Authorization: `Bearer ${env.OPERATOR_TOKEN}`, "Content-Type": "application/json" };
      const answer = await exports.default.fetch(new Request(url, { method: "PUT", headers, body: "{}" }));
      expect(await answer.json()).toMatchObject({ status: 400, code: "body_invalid", key: "gateway" });
      expect(await codeOf(asOperator("GET", "/upstreams/eu/webhook"))).toBe("not_found");
    },
  );

  it("blocks the upstream's budget when Stream limits a webhook call", async () => {
    const fault = JSON.stringify({ on: "api", kind: "status", status: 429, headers: { "retry-after": "60" } });
    await fetch(`${stream.url}/_control/faults`, { method: "POST", body: fault });
    expect(await codeOf(register())).toBe("stream_error");
    expect(await env.BUDGET.getByName("eu").acquire(1_000, "tenant", "foreground")).toBeGreaterThan(55);
  });

  it("takes its calls from the upstream's budget", async () => {
    await asOperator("PUT", "/upstreams/eu?check=false", { ...UPSTREAM, callsPerWindow: 1 });
    const answer = await register();
    expect(await codeOf(answer)).toBe("upstream_busy");
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  it("refunds the first call when the budget refuses the second", async () => {
    await asOperator("PUT", "/upstreams/eu?check=false", { ...UPSTREAM, callsPerWindow: 1 });
    expect(await codeOf(register())).toBe("upstream_busy");
    expect(await env.BUDGET.getByName("eu").acquire(1, "tenant", "foreground")).toBe(0);
  });
});
