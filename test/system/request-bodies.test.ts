import { connect } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Browser, type BrowserPage, startBrowser } from "../support/browser.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { sendHead } from "../support/http.ts";

/**
 * A request's body that nobody reads: bytes sent with a creation, and refusals while a body is on its way. The runtime closes
 * the connection when it answers before the end of a body, and a client that is still sending then sees no answer.
 */

const MEGABYTE = 1_000_000;

let gateway: TestGateway;
let browser: Browser;
let page: BrowserPage;
let key: string;

beforeAll(async () => {
  [gateway, browser] = await Promise.all([startTestGateway(), startBrowser()]);
  key = await gateway.tenant("acme");
});
afterAll(() => Promise.all([gateway.stop(), browser.stop()]));
beforeEach(async () => {
  gateway.stream.reset();
  gateway.log.length = 0;
  page = await browser.open();
  await page.limitUploads(20 * MEGABYTE);
});

const endpoint = () => `${gateway.url}/v1/acme/uploads`;
const creations = () => gateway.log.filter((line) => line.includes('"method":"POST"'));

describe("Chromium with uploadDataDuringCreation", () => {
  it("creates one upload when it sends 3 MB with the creation", async () => {
    const options = { endpoint: endpoint(), metadata: {}, token: key, bytesDuringCreation: 3 * MEGABYTE };
    expect(await page.act("uploadByTus", options)).toMatchObject({ outcome: "uploaded" });
    expect([gateway.stream.videos().length, creations().length]).toEqual([1, 1]);
  });

  it.each([20, 60])("reads 413 and the client's option to change when it sends %d MB", async (megabytes) => {
    const options = { endpoint: endpoint(), metadata: {}, token: key, bytesDuringCreation: megabytes * MEGABYTE };
    const refused = await page.act("uploadByTus", options);
    expect(refused).toMatchObject({ outcome: "refused", status: 413 });
    expect("body" in refused && refused.body).toMatch(/Set uploadDataDuringCreation: false.*"code":"body_too_large"/);
    expect([gateway.stream.requests(), creations().length]).toEqual([[], 1]);
  });

  it.each([3, 8])("reads why a creation with %d MB is refused", async (megabytes) => {
    const options = { endpoint: endpoint(), metadata: {}, token: "junk", bytesDuringCreation: megabytes * MEGABYTE };
    expect(await page.act("uploadByTus", options)).toMatchObject({
      outcome: "refused",
      status: 401,
      body: expect.stringContaining('"code":"credential_invalid"'),
    });
    expect(creations()).toHaveLength(1);
  });
});

const zeros = Buffer.alloc(MEGABYTE);

/**
 * Sends a whole request over one connection, without waiting for the answer.
 *
 * @returns all that is received
 * @throws if the connection breaks before all is sent
 */
async function sendAll(requestLine: string, headers: readonly string[], body: Iterable<Buffer>): Promise<string> {
  const { hostname, port, host } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  const head = [`${requestLine} HTTP/1.1`, `Host: ${host}`, "Connection: close", ...headers, "", ""].join("\r\n");
  const sent = pipeline(Readable.from([Buffer.from(head), ...body]), socket, { end: false });
  const receive = async () => {
    let received = "";
    for await (const text of socket.setEncoding("latin1")) received += text as string;
    return received;
  };
  const [received] = await Promise.all([receive(), sent]);
  return received;
}

describe("a body of 20 MB that is not read", () => {
  it.each([
    ["POST", "/v1/acme/uploads", 413],
    ["PATCH", "/v1/acme/uploads", 405],
    ["DELETE", "/v1/acme/uploads/x", 401],
    ["GET", "/v1/acme/uploads", 401],
    ["POST", "/v1/acme/grants", 401],
    ["POST", "/v1/acme/direct-uploads", 400],
    ["POST", "/v1/acme/nothing", 404],
    ["POST", "/client/v4/accounts/acme/stream", 413],
    ["POST", "/hooks/stream/default", 403],
    ["PUT", "/admin/v1/tenants/acme", 401],
    ["POST", "/healthz", 404],
  ])("does not break the connection of %s %s, which gets %d", async (method, path, status) => {
    const headers = ["Tus-Resumable: 1.0.0", "Upload-Length: 1", `Content-Length: ${20 * MEGABYTE}`];
    const received = await sendAll(`${method} ${path}`, headers, Array<Buffer>(20).fill(zeros));
    expect(received.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    expect(received).toMatch(/"result":null\}$/);
  });

  it.each(["GET", "POST"])(
    "does not break the connection of a request with X-HTTP-Method-Override: %s",
    async (method) => {
      const headers = [`X-HTTP-Method-Override: ${method}`, `Content-Length: ${20 * MEGABYTE}`];
      const received = await sendAll("PATCH /v1/acme/uploads", headers, Array<Buffer>(20).fill(zeros));
      expect(received).toMatch(/"result":null\}$/);
    },
  );

  it("does not break the connection of a JSON body that is longer than it may be", async () => {
    const chunk = Buffer.concat([Buffer.from(`${MEGABYTE.toString(16)}\r\n`), zeros, Buffer.from("\r\n")]);
    const received = await sendAll(
      "POST /v1/acme/direct-uploads",
      ["Content-Type: application/json", "Transfer-Encoding: chunked"],
      [...Array<Buffer>(20).fill(chunk), Buffer.from("0\r\n\r\n")],
    );
    expect(received).toMatch(/"result":null\}$/);
    expect(received).toMatch(/^HTTP\/1.1 413 .*"code":"body_too_large"/s);
  });
});

describe("a body that has not come", () => {
  const length = "Content-Length: 5000000";

  it("is not waited for by a creation", async () => {
    const headers = [`Authorization: Bearer ${key}`, "Tus-Resumable: 1.0.0", "Upload-Length: 5000000", length];
    const head = await sendHead(gateway.url, "POST /v1/acme/uploads", headers);
    expect(head).toMatch(/^HTTP\/1.1 201 .*^location: .*^upload-offset: 0\r$/ims);
  });

  it("is not waited for by a refusal", async () => {
    expect(await sendHead(gateway.url, "POST /v1/acme/grants", [length])).toMatch(/^HTTP\/1.1 401 /);
  });
});

describe("a body that is read", () => {
  it("leaves the response as it is", async () => {
    const answer = await fetch(`${gateway.url}/v1/acme/direct-uploads`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${key}`,
        "Content-Type": "application/json",
        // A compressed response is sent in chunks.
        "Accept-Encoding": "identity",
      },
      body: "{}",
    });
    expect([answer.status, answer.headers.get("transfer-encoding")]).toEqual([201, null]);
    expect(Number(answer.headers.get("content-length"))).toBe((await answer.arrayBuffer()).byteLength);
  });
});
