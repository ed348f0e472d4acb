import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { type OpenRequest, bearer, create, openRequest, problemOf } from "../support/http.ts";
import { startIdentityProvider } from "../support/identity-provider.ts";
import { OPERATOR_TOKEN } from "../support/operator-api.ts";
import { ROUTES } from "../support/route-table.ts";

/** Which bodies are read, for how long, and what happens when they break off. Every body here never ends. */

const JSON_TYPE = "Content-Type: application/json";
const CHUNKED = "Transfer-Encoding: chunked";
/** The first chunk of a body that never ends. */
const BEGINNING = "1\r\n{\r\n";
/** A refusal that the client need not wait for any longer: it is complete, by its Content-Length. */
const COMPLETE = /content-length: \d+\r\n.*"result":null\}$/is;
/** Well below the time after which a body that is read is refused. */
const AT_ONCE_MS = 5_000;

const STREAM_DEADLINE_MS = 2_000;

/** A server whose answers to everything never end. Its headers are those of a creation at Stream. */
async function startDrippingServer() {
  const server = createServer(({ url }, response) => {
    const created = { Location: "https://upload.example/1", "Stream-Media-Id": "a".repeat(32) };
    response.writeHead(url?.endsWith("/direct_upload") ? 200 : 201, created);
    const dripping = setInterval(() => response.write(" "), 100);
    response.on("close", () => clearInterval(dripping));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}`, stop };
}

let stream: Awaited<ReturnType<typeof startDrippingServer>>;
let gateway: TestGateway;
let key: string;
const open: OpenRequest[] = [];

beforeAll(async () => {
  stream = await startDrippingServer();
  gateway = await startTestGateway({
    STREAM_API_BASE: stream.url,
    STREAM_UPLOAD_HOSTS: "upload.example",
    STREAM_DEADLINE_MS: String(STREAM_DEADLINE_MS),
  });
  key = await gateway.tenant("acme");
});
afterAll(async () => {
  await gateway.stop();
  stream.stop();
});
beforeEach(() => {
  for (const { socket } of open.splice(0)) socket.destroy();
  gateway.log.length = 0;
});

function send(requestLine: string, headers: readonly string[], body = BEGINNING): OpenRequest {
  const request = openRequest(gateway.url, requestLine, headers, body);
  open.push(request);
  return request;
}

const credential = () => `Authorization: Bearer ${key}`;
/** A signature that may be valid, as far as its form and time say. */
const signature = (ageSeconds = 0) =>
  `Webhook-Signature: time=${Math.floor(Date.now() / 1000) - ageSeconds},sig1=${"a".repeat(64)}`;

/** Every kind of route that reads a body, with what it takes to get there. */
const READERS: [requestLine: string, headers: () => string[]][] = [
  ["POST /v1/acme/direct-uploads", () => [JSON_TYPE, credential()]],
  ["POST /v1/acme/direct-uploads", () => [JSON_TYPE]],
  ["POST /client/v4/accounts/acme/stream/direct_upload", () => [credential()]],
  ["POST /v1/acme/grants", () => [JSON_TYPE, credential()]],
  ["POST /v1/acme/policy/check", () => [JSON_TYPE, credential()]],
  ["PATCH /v1/acme/grants", () => [JSON_TYPE, credential(), "X-HTTP-Method-Override: POST"]],
  ["POST /hooks/stream/default", () => [signature()]],
  ["PUT /admin/v1/tenants/new", () => [JSON_TYPE, `Authorization: Bearer ${OPERATOR_TOKEN}`]],
];

describe("a body that never ends", () => {
  const withBody = ROUTES.filter(({ method }) => method !== "GET");

  it.each([
    ...withBody.map(({ method, path }) => [`${method} ${path.replace(":tenant", "acme").replace(":id", "x")}`]),
    ["PUT /admin/v1/tenants/acme"],
    ["POST /admin/v1/tenants/acme/keys"],
  ])(
    "is not read by %s with an invalid credential",
    async (requestLine) => {
      const headers = ["Authorization: Bearer junk", "Tus-Resumable: 1.0.0", "Upload-Length: 5", JSON_TYPE, CHUNKED];
      const answer = await send(requestLine, headers).receive(COMPLETE);
      expect(answer).toMatch(/^HTTP\/1.1 4(?:01|29) .*"code":"(?:credential_invalid|too_many_failures)"/s);
    },
    AT_ONCE_MS,
  );

  it.each([
    ["without a signature", "default", () => []],
    ["with a malformed signature", "default", () => ["Webhook-Signature: time=1,sig1=0"]],
    ["with an old signature", "default", () => [signature(600)]],
    ["for an unknown upstream", "unknown", () => [signature()]],
    ["for an upstream without a secret", "mute", () => [signature()]],
    ["for a name that no upstream has", "No-Upstream", () => [signature()]],
  ])(
    "is not read by a Stream webhook %s",
    async (_, upstream, headers) => {
      await gateway.operator("PUT", "/upstreams/mute?check=false", { accountId: "account", apiToken: "token" });
      const request = send(`POST /hooks/stream/${upstream}`, [...headers(), CHUNKED]);
      const answer = await request.receive(COMPLETE);
      expect(answer).toMatch(/^HTTP\/1.1 403 .*"code":"webhook_signature_invalid"/s);
    },
    AT_ONCE_MS,
  );

  it.each([
    ["POST /v1/acme/direct-uploads", [JSON_TYPE, "Content-Length: 65537"], 413, "body_too_large"],
    ["POST /v1/acme/direct-uploads", ["Content-Type: text/plain", CHUNKED], 400, "body_invalid"],
    ["POST /v1/acme/direct-uploads", [JSON_TYPE, CHUNKED, "Content-Encoding: gzip"], 400, "body_invalid"],
    ["POST /v1/acme/direct-uploads", [JSON_TYPE, CHUNKED, "Tus-Resumable: 1.0.0"], 400, "bad_request"],
    ["POST /v1/acme/direct-uploads", [JSON_TYPE, CHUNKED, "Idempotency-Key: é"], 400, "idempotency_key_invalid"],
    ["POST /v1/acme/grants", [JSON_TYPE, "Content-Length: 65537"], 413, "body_too_large"],
    ["POST /v1/acme/nothing", [JSON_TYPE, CHUNKED], 404, "not_found"],
    ["PUT /v1/acme/grants", [JSON_TYPE, CHUNKED], 405, "method_not_allowed"],
  ])(
    "is not read by %s with the headers %j",
    async (requestLine, headers, status, code) => {
      const answer = await send(requestLine, [credential(), ...headers]).receive(COMPLETE);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} .*"code":"${code}"`, "s"));
    },
    AT_ONCE_MS,
  );

  it(
    "is not read by a Stream webhook that announces too much",
    async () => {
      const answer = await send("POST /hooks/stream/default", [signature(), "Content-Length: 65537"]).receive(
        /"code":/,
      );
      expect(answer).toMatch(/^HTTP\/1.1 413 .*"code":"body_too_large"/s);
    },
    AT_ONCE_MS,
  );

  it(
    "is not waited for with Expect: 100-continue",
    async () => {
      const expecting = [JSON_TYPE, "Expect: 100-continue", "Content-Length: 2"];
      const refused = send("POST /v1/acme/grants", ["Authorization: Bearer junk", ...expecting], "");
      expect(await refused.receive(COMPLETE)).toMatch(/^HTTP\/1.1 4(?:01|29) /m);
      const accepted = send("POST /v1/acme/grants", [credential(), ...expecting], "");
      await accepted.receive(/^HTTP\/1.1 100 /);
      accepted.socket.write("{}");
      await accepted.receive(/^HTTP\/1.1 201 /m);
    },
    AT_ONCE_MS,
  );

  it(
    "does not keep a client waiting that never stops sending",
    async () => {
      const body = new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 100));
          controller.enqueue(new Uint8Array(1));
        },
      });
      const headers = { ...bearer("junk"), "Content-Type": "application/json" };
      const init = { method: "POST", headers, body, duplex: "half" as const };
      const answer = await fetch(`${gateway.url}/v1/acme/grants`, init);
      expect((await problemOf(answer)).status).toBe(answer.status);
    },
    AT_ONCE_MS,
  );

  it.each(["GET /v1/acme/uploads", "OPTIONS /v1/acme/uploads", "HEAD /v1/acme/usage"])(
    "is not read by %s",
    async (requestLine) => {
      expect(await send(requestLine, [credential(), CHUNKED]).receive(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 200 /);
    },
    AT_ONCE_MS,
  );

  it("gets 408 after 10 seconds where it is read, and loses its connection", async () => {
    const startedAt = Date.now();
    const answers = READERS.map(async ([requestLine, headers]) => {
      const request = send(requestLine, [...headers(), "Origin: https://app.example", CHUNKED]);
      // A client that never stops, at a pace that never completes anything.
      const dripping = setInterval(() => request.socket.write("1\r\n \r\n"), 500);
      const answer = await request.closed;
      clearInterval(dripping);
      const seconds = (Date.now() - startedAt) / 1000;
      expect([requestLine, answer, seconds > 9.5 && seconds < 20]).toEqual([
        requestLine,
        expect.stringMatching(/^HTTP\/1.1 408 .*"code":"body_timeout".*"result":null\}$/s),
        true,
      ]);
      const corsHeaders = requestLine.includes("acme") ? 1 : 0;
      expect(answer.match(/^access-control-allow-origin: /gim) ?? []).toHaveLength(corsHeaders);
    });
    await Promise.all(answers);
    await expect.poll(() => gateway.log.filter((line) => line.includes('"status":408'))).toHaveLength(READERS.length);
  });
});

describe("a body that breaks off", () => {
  const ways: [string, (request: OpenRequest) => void][] = [
    ["closes the connection", ({ socket }) => socket.destroy()],
    ["resets the connection", ({ socket }) => socket.resetAndDestroy()],
    ["closes its side of the connection", ({ socket }) => socket.end()],
    ["sends a malformed chunk", ({ socket }) => socket.write("zz\r\n")],
  ];

  it.each(ways)("is logged as client_closed and not as an error when the client %s", async (_, breakOff) => {
    for (const [requestLine, headers] of READERS) {
      gateway.log.length = 0;
      const request = send(requestLine, [...headers(), CHUNKED]);
      // The gateway is reading it by now.
      await new Promise((resolve) => setTimeout(resolve, 200));
      breakOff(request);
      await expect.poll(() => gateway.log).toHaveLength(1);
      const columns = JSON.parse(gateway.log[0] ?? "") as object;
      expect([requestLine, columns]).toEqual([
        requestLine,
        expect.objectContaining({ status: 499, problem: "client_closed" }),
      ]);
      expect(columns).not.toHaveProperty("error");
    }
  });

  it.each(READERS)("is logged as client_closed when %s announces more than it sends", async (requestLine, headers) => {
    send(requestLine, [...headers(), "Content-Length: 100"], "{").socket.end();
    await expect.poll(() => gateway.log).toEqual([expect.stringContaining('"problem":"client_closed"')]);
  });

  it("does not disturb the next request", async () => {
    const answer = await fetch(`${gateway.url}/v1/acme/grants`, {
      method: "POST",
      headers: { ...bearer(key), "Content-Type": "application/json" },
      body: "{}",
    });
    expect(answer.status).toBe(201);
  });
});

describe("an answer that never ends", () => {
  it("of an identity provider is given up after 5 seconds", async () => {
    const provider = await startDrippingServer();
    const idp = await startIdentityProvider();
    const issuer = {
      issuer: "https://idp.example/",
      audiences: ["sluice"],
      keys: { jwksUrl: provider.url },
      tenant: { fixed: "acme" },
    };
    await gateway.operator("PUT", "/issuers/slow", issuer);
    const startedAt = Date.now();
    const answer = await fetch(`${gateway.url}/v1/acme/usage`, { headers: bearer(await idp.sign({})) });
    expect([answer.status, (await problemOf(answer)).code]).toEqual([503, "jwks_unavailable"]);
    expect(Date.now() - startedAt).toBeLessThan(8_000);
    idp.stop();
    provider.stop();
  });

  it("of Stream is given up after STREAM_DEADLINE_MS where it is read", async () => {
    const startedAt = Date.now();
    const headers = { ...bearer(key), "Content-Type": "application/json" };
    const answer = await fetch(`${gateway.url}/v1/acme/direct-uploads`, { method: "POST", headers, body: "{}" });
    expect([answer.status, (await problemOf(answer)).code]).toEqual([504, "stream_timeout"]);
    expect(Date.now() - startedAt).toBeLessThan(4_000);
  });

  it("of Stream is not waited for where its headers say all", async () => {
    const startedAt = Date.now();
    expect((await create(gateway.url, "acme", bearer(key))).status).toBe(201);
    expect(Date.now() - startedAt).toBeLessThan(STREAM_DEADLINE_MS - 200);
  });
});
