import { listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLedgers } from "../../../src/adapters/durable-objects/ledger-client.ts";
import { signTag } from "../support/ledger.ts";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

/** The webhook of an upstream, with requests like Stream's. */

const [SECRET, OLD_SECRET] = ["85011ed3a913c6ad5f9cf6c5573cc0a7", "00011ed3a913c6ad5f9cf6c5573cc0a7"];
const UPSTREAM = { accountId: "account", apiToken: "token", webhookSecrets: [SECRET, OLD_SECRET] };
const UID = "a".repeat(32);
const ledgers = createLedgers(env.LEDGER);
const now = () => Math.floor(Date.now() / 1000);

beforeEach(async () => {
  await asOperator("PUT", "/upstreams/eu?check=false", UPSTREAM);
  await seedTenant("acme", { upstream: "eu" });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

async function sign(body: string, secret = SECRET, time = String(now())): Promise<string> {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const key = await crypto.subtle.importKey("raw", bytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const mac = await crypto.subtle.sign("HMAC", key, bytes(`${time}.${body}`));
  return `time=${time},sig1=${new Uint8Array(mac).toHex()}`;
}

function send(body: BodyInit, signature: string | undefined, upstream = "eu"): Promise<Response> {
  const headers = { ...(signature !== undefined && { "Webhook-Signature": signature }) };
  return request("POST", `/hooks/stream/${upstream}`, { headers, body });
}

/** Creates an upload with a URL in a tenant's ledger. */
async function createUpload(id: string, tenant = "acme", uid = UID, upstream = "eu"): Promise<void> {
  const ledger = env.LEDGER.getByName(tenant);
  const size = { bytes: 5, seconds: 60 };
  await ledger.reserve({ id, version: 1e15, limits: {}, upstream, expires: now() + 1_800, ...size });
  await ledger.attach(id, uid, "https://upload.example/1");
}

function video(meta: object | undefined, more: object = {}): string {
  return JSON.stringify({
    uid: UID,
    status: { state: "ready" },
    duration: 5.5,
    size: 5,
    ...(meta && { meta }),
    ...more,
  });
}

async function stateOf(id: string, tenant = "acme") {
  const found = await ledgers.find(tenant, id);
  return found.ok ? found.value?.state : undefined;
}

describe("POST /hooks/stream/:upstream: signature", () => {
  it("settles the upload once when the notification arrives twice", async () => {
    await createUpload("one");
    const body = video({ sluice: "acme/one", name: "Ünïcode" });
    const answer = await send(body, await sign(body));
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ received: true });
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    expect((await send(body, await sign(body))).status).toBe(200);
    expect(await ledgers.find("acme", "one")).toMatchObject({ value: { state: "ready", seconds: 5.5 } });
    expect(await env.LEDGER.getByName("acme").usage()).toMatchObject({ pending: 0, storedSeconds: 5.5 });
  });

  it("accepts any of the upstream's secrets, and no other", async () => {
    await createUpload("one");
    const body = video({ sluice: "acme/one" });
    expect((await send(body, await sign(body, OLD_SECRET))).status).toBe(200);
    expect(await stateOf("one")).toBe("ready");
    expect((await send(body, await sign(body, "f".repeat(32)))).status).toBe(403);
  });

  it.each([
    ["299 seconds old", -299, 200],
    ["302 seconds old", -302, 403],
    ["298 seconds ahead", 298, 200],
    ["302 seconds ahead", 302, 403],
  ])("answers a signature %s (%d s) with %d", async (_, age, status) => {
    const body = video({});
    expect((await send(body, await sign(body, SECRET, String(now() + age)))).status).toBe(status);
  });
});

describe("POST /hooks/stream/:upstream: recording", () => {
  it("settles an expired upload when the notification is a day late", async () => {
    await createUpload("one");
    await runInDurableObject(env.LEDGER.getByName("acme"), (_, state) =>
      state.storage.sql.exec("UPDATE uploads SET state = 'expired', due = NULL").toArray(),
    );
    const body = video({ sluice: "acme/one" });
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 86_400_000 });
    expect((await send(body, await sign(body))).status).toBe(200);
    expect(await stateOf("one")).toBe("ready");
  });

  it("settles the upload of another upstream of the same account, since an account has one webhook", async () => {
    await asOperator("PUT", "/upstreams/second?check=false", { accountId: UPSTREAM.accountId, apiToken: "other" });
    await seedTenant("zoe", { upstream: "second" });
    await createUpload("hers", "zoe", UID, "second");
    const body = video({ sluice: "zoe/hers" });
    expect((await send(body, await sign(body))).status).toBe(200);
    expect(await stateOf("hers", "zoe")).toBe("ready");
  });
});

describe("POST /hooks/stream/:upstream: rejections with equal answers", () => {
  it.each([
    ["no signature", async () => undefined],
    ["junk", async () => "time=now"],
    ["another body", () => sign(video({ sluice: "acme/two" }))],
    ["another time", async () => (await sign(video({}))).replace(/time=\d+/, `time=${now() - 1}`)],
    ["an empty secret", () => sign(video({}), " ")],
  ])("returns 403 for %s", async (_, signature) => {
    const answer = await send(video({}), await signature());
    expect(answer.status).toBe(403);
    expect(await codeOf(answer)).toBe("webhook_signature_invalid");
  });

  it.each(["none", "mute", "default", "Not-an-id", "__proto__"])(
    "returns the same answer for the upstream %s as for a wrong signature",
    async (upstream) => {
      await asOperator("PUT", "/upstreams/mute?check=false", { accountId: "account", apiToken: "token" });
      const body = video({});
      const answers = await Promise.all([
        send(body, await sign(body), upstream),
        send(body, await sign(body, "f".repeat(32)), "eu"),
      ]);
      const [one, other] = await Promise.all(answers.map((answer) => answer.json<Record<string, unknown>>()));
      expect({ ...one, requestId: "" }).toEqual({ ...other, requestId: "" });
    },
  );

  it("never blocks an address, after any number of wrong signatures", async () => {
    const body = video({});
    const headers = { "CF-Connecting-IP": "192.0.2.1", "Webhook-Signature": await sign(body, "f".repeat(32)) };
    for (let count = 0; count < 65; count++)
      expect((await request("POST", "/hooks/stream/eu", { headers, body })).status).toBe(403);
    const good = { ...headers, "Webhook-Signature": await sign(body) };
    expect((await request("POST", "/hooks/stream/eu", { headers: good, body })).status).toBe(200);
  });
});

describe("POST /hooks/stream/:upstream: body", () => {
  it("returns 413 for a body that is too large, and drops no more than 100 MiB of it", async () => {
    let pulled = 0;
    const endless = new ReadableStream({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(1024 * 1024));
      },
    });
    const answer = await send(endless, await sign(""));
    expect(answer.status).toBe(413);
    expect(await codeOf(answer)).toBe("body_too_large");
    expect(pulled).toBeLessThanOrEqual(105);
  });

  it.each(["", "null", "[]", "{}", '{"uid":"a"}', "\u{feff}nonsense"])(
    "returns 400 for a body that is not a video: %j",
    async (body) => {
      const answer = await send(body, await sign(body));
      expect(answer.status).toBe(400);
      expect(await codeOf(answer)).toBe("body_invalid");
    },
  );

  it("verifies the signature of any bytes", async () => {
    const bytes = Uint8Array.of(0xff, 0xfe, 0x00);
    const key = await crypto.subtle.importKey(
      "raw",
      new TextEncoder().encode(SECRET),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
    const time = String(now());
    const mac = await crypto.subtle.sign("HMAC", key, Uint8Array.of(...new TextEncoder().encode(`${time}.`), ...bytes));
    // The signature is valid, so the body is what is rejected.
    expect((await send(bytes, `time=${time},sig1=${new Uint8Array(mac).toHex()}`)).status).toBe(400);
  });
});

describe("/hooks/stream/:upstream: method", () => {
  it.each(["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])("returns 405 for %s", async (method) => {
    const answer = await request(method, "/hooks/stream/eu");
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe("POST");
  });
});

describe("POST /hooks/stream/:upstream: tenant of the video", () => {
  const logOf = async (body: string) => {
    const log = vi.spyOn(console, "log").mockImplementation(() => {});
    const answer = await send(body, await sign(body));
    expect(answer.status).toBe(200);
    const line = log.mock.calls.map(([text]) => String(text)).findLast((text) => text.includes("/hooks/stream"));
    return JSON.parse(line ?? "{}") as Record<string, unknown>;
  };

  it("logs the tenant of the tag", async () => {
    await createUpload("one");
    expect(await logOf(video({ sluice: "acme/one" }))).toMatchObject({
      streamEvent: "recorded",
      tenant: "acme",
      upstream: "eu",
      uid: UID,
    });
  });

  it.each([
    ["has no tag", { name: "edited" }],
    ["has another's tag", { sluice: 5 }],
    ["has the tag of an unknown tenant", { sluice: "invented/one" }],
    ["has the tag of an unknown upload", { sluice: "acme/other" }],
    ["has the tag of an upload with another video", { sluice: "acme/theirs" }],
  ])("is unmanaged when the video %s", async (_, meta) => {
    await createUpload("theirs", "acme", "b".repeat(32));
    const line = await logOf(video(meta));
    expect(line).toMatchObject({ streamEvent: "unmanaged" });
    expect(line).not.toHaveProperty("tenant");
    expect(await stateOf("theirs")).toBe("issued");
  });

  it.each([
    ["has no tag", { name: "edited" }],
    ["has another's tag", { sluice: 5 }],
    ["has the unsigned tag of version 0.1", { sluice: "zoe/hers" }],
    ["has a wrong mac", { sluice: `zoe/hers/${"A".repeat(16)}` }],
    ["has the tag of another tenant", { sluice: "acme/one" }],
    ["has the tag of an unknown tenant", { sluice: "invented/one" }],
  ])("is found by its uid when the video %s", async (_, meta) => {
    await seedTenant("zoe", { upstream: "eu" });
    await createUpload("hers", "zoe");
    await createUpload("one", "acme", "b".repeat(32));
    expect(await logOf(video(meta))).toMatchObject({ streamEvent: "recorded", tenant: "zoe" });
    expect(await stateOf("hers", "zoe")).toBe("ready");
    expect(await stateOf("one")).toBe("issued");
  });

  it("is unmanaged when an unsigned tag names an upload whose uid is not known, which stays without", async () => {
    const id = uuidv7();
    const size = { bytes: 5, seconds: 60 };
    const ledger = env.LEDGER.getByName("acme");
    await ledger.reserve({ id, version: 1e15, limits: {}, upstream: "eu", expires: now() + 1_800, ...size });
    const created = new Date().toISOString();
    for (const sluice of [`acme/${id}`, `acme/${id}/${"A".repeat(16)}`, await signTag("acme", uuidv7())])
      expect(await logOf(video({ sluice }, { created }))).toMatchObject({ streamEvent: "unmanaged" });
    expect(await stateOf(id)).toBe("reserved");
    expect(await ledger.find(UID)).toBeUndefined();
    expect(await logOf(video({ sluice: await signTag("acme", id) }, { created }))).toMatchObject({ tenant: "acme" });
    expect(await stateOf(id)).toBe("ready");
  });

  it("creates no ledger for an invented tenant", async () => {
    await logOf(video({ sluice: "invented/one" }));
    const names = (await listDurableObjectIds(env.LEDGER)).map(String);
    expect(names).not.toContain(String(env.LEDGER.idFromName("invented")));
  });

  it("finds the upload by uid when neither the notification nor Stream has the meta", async () => {
    vi.stubGlobal("fetch", async () => new Response(null, { status: 503 }));
    for (let count = 0; count < 12; count++) await seedTenant(`other-${count}`, { upstream: "eu" });
    await seedTenant("zoe", { upstream: "eu" });
    await createUpload("hers", "zoe");
    expect(await logOf(video(undefined))).toMatchObject({ streamEvent: "recorded", tenant: "zoe" });
    expect(await stateOf("hers", "zoe")).toBe("ready");
  });

  it("records nothing for an upload of another upstream", async () => {
    await asOperator("PUT", "/upstreams/us?check=false", { ...UPSTREAM, accountId: "other" });
    await seedTenant("zoe", { upstream: "us" });
    await createUpload("hers", "zoe");
    vi.stubGlobal("fetch", async () => new Response(null, { status: 503 }));
    expect(await logOf(video(undefined))).toMatchObject({ streamEvent: "unmanaged" });
    await createUpload("one");
    const body = video({ sluice: "acme/one" });
    expect((await send(body, await sign(body), "us")).status).toBe(200);
    expect(await stateOf("one")).toBe("issued");
  });
});
