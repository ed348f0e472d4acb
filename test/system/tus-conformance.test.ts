import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf, sendHead } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";

/**
 * What tus 1.0.0 requires of a server that creates uploads, sentence by sentence, against the built Worker.
 *
 * | requirement (https://tus.io/protocols/resumable-upload) | test |
 * | --- | --- |
 * | Core: Upload-Length is a non-negative integer | `length` |
 * | Core: Tus-Resumable in every request and response but OPTIONS; 412 and Tus-Version otherwise | `version` |
 * | Core: Tus-Version, Tus-Extension, Tus-Max-Size by OPTIONS | `discovery` |
 * | Core: X-HTTP-Method-Override | `override` |
 * | Core: HEAD, PATCH on an upload URL | at Stream's host; the endpoint offers neither: `elsewhere` |
 * | Creation: POST, 201, Location; 413; Upload-Metadata | `creation`, `metadata` |
 * | Creation: Upload-Defer-Length | not announced, refused: `not announced` |
 * | Creation With Upload | not announced; a body is ignored, as the extension allows: `not announced` |
 * | Expiration: Upload-Expires with the creation, as RFC 9110 writes dates | `expiration` |
 * | Concatenation, Checksum, Termination | not announced, refused: `not announced` |
 */

let harness: TestGateway;
let key: string;

beforeAll(async () => {
  harness = await startTestGateway();
  key = await harness.tenant("acme", {
    policy: { upload: { maxBytes: 1_000_000 }, custom: { "*": { allow: ["a", "b"] } } },
  });
});
afterAll(() => harness.stop());
beforeEach(() => harness.stream.reset());

const post = (headers: Record<string, string | undefined> = {}, init: RequestInit = {}) =>
  create(harness.url, "acme", { ...bearer(key), ...headers }, init);
const options = (headers = {}) => fetch(`${harness.url}/v1/acme/uploads`, { method: "OPTIONS", headers });

describe("length", () => {
  it('"The value MUST be a non-negative integer."', async () => {
    expect((await post({ "Upload-Length": "0" })).status).toBe(201);
    expect((await post({ "Upload-Length": "1000000" })).status).toBe(201);
    for (const length of ["-1", "1.5", "abc", "1e3"])
      expect((await post({ "Upload-Length": length })).status).toBe(400);
  });

  it('"…MUST include one of the following headers: Upload-Length … or Upload-Defer-Length"', async () => {
    expect((await post({ "Upload-Length": undefined })).status).toBe(400);
  });
});

describe("version", () => {
  it('"The Tus-Resumable header MUST be included in every request and response except for OPTIONS requests."', async () => {
    const answers = [post(), post({ "Upload-Length": "x" }), post({ Authorization: "Bearer junk" })];
    for (const answer of await Promise.all(answers)) expect(answer.headers.get("tus-resumable")).toBe("1.0.0");
  });

  it('"…it MUST respond with the 412 Precondition Failed status and MUST include the Tus-Version header"', async () => {
    for (const version of [undefined, "0.9", "1.0.1"]) {
      const answer = await post({ "Tus-Resumable": version });
      expect([answer.status, answer.headers.get("tus-version")]).toEqual([412, "1.0.0"]);
    }
  });

  it('"In addition, the Server MUST NOT process the request."', async () => {
    await post({ "Tus-Resumable": "2.0.0" });
    expect(harness.stream.requests()).toEqual([]);
  });
});

describe("discovery", () => {
  it('"A successful response indicated by the 204 No Content or 200 OK status MUST contain the Tus-Version header. It MAY include the Tus-Extension and Tus-Max-Size headers."', async () => {
    const answer = await options();
    expect(answer.status).toBe(200);
    expect(answer.headers.get("tus-version")).toBe("1.0.0");
    expect(answer.headers.get("tus-extension")).toBe("creation,expiration");
    expect(answer.headers.get("tus-max-size")).toBe("1000000");
  });

  it('"The Client SHOULD NOT include the Tus-Resumable header in the request and the Server MUST ignore the header."', async () => {
    expect((await options({ "Tus-Resumable": "0.0.1" })).status).toBe(200);
  });
});

describe("override", () => {
  it('"…MUST be interpreted as the request\'s method by the Server … The actual method of the request MUST be ignored."', async () => {
    const override = (method: string, as: string) => post({ "X-HTTP-Method-Override": as }, { method });
    expect((await override("PATCH", "POST")).status).toBe(201);
    expect((await override("POST", "PATCH")).status).toBe(405);
    expect((await override("POST", "OPTIONS")).status).toBe(200);
  });
});

describe("creation", () => {
  it('"The Server MUST acknowledge a successful upload creation with the 201 Created status. The Server MUST set the Location header to the URL of the created resource. This URL MAY be absolute or relative."', async () => {
    const answer = await post();
    expect(answer.status).toBe(201);
    expect(() => new URL(answer.headers.get("location") ?? "")).not.toThrow();
    const head = await fetch(answer.headers.get("location") ?? "", {
      method: "HEAD",
      headers: { "Tus-Resumable": "1.0.0" },
    });
    expect([head.status, head.headers.get("upload-offset"), head.headers.get("upload-length")]).toEqual([
      200,
      "0",
      "1000",
    ]);
  });

  it('"If the length of the upload exceeds the maximum, which MAY be specified using the Tus-Max-Size header, the Server MUST respond with the 413 Request Entity Too Large status."', async () => {
    expect((await post({ "Upload-Length": "1000001" })).status).toBe(413);
  });

  it("returns no 2xx without a Location, or clients would create the upload again", async () => {
    harness.stream.addFault({ on: "create", kind: "location" });
    expect((await post()).status).toBe(502);
  });
});

describe("metadata", () => {
  it('"The key and value MUST be separated by a space … the value MUST be Base64 encoded. All keys MUST be unique."', async () => {
    for (const header of ["a", "a ", "a YQ==", "a YQ==,b Yg==", "a w6Q=", "a YQ==,", ", a YQ=="])
      expect([header, (await post({ "Upload-Metadata": header })).status]).toEqual([header, 201]);
    for (const header of ["a YQ==,a YQ==", "a b c", "name YQ", "name !"])
      expect([header, (await post({ "Upload-Metadata": header })).status]).toEqual([header, 400]);
  });

  it('"The value MAY be empty."', async () => {
    expect((await post({ "Upload-Metadata": metadataHeader({ a: null, b: "" }) })).status).toBe(201);
  });
});

describe("expiration", () => {
  it('"The Upload-Expires … MUST be in RFC 9110 datetime format": the time when the upload URL expires', async () => {
    const answer = await post();
    const expires = answer.headers.get("upload-expires") ?? "";
    expect(expires).toMatch(/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/);
    expect(new Date(expires).toISOString()).toBe(harness.stream.videos()[0]?.uploadExpiry);
  });
});

describe("not announced", () => {
  it.each([
    ["Upload-Defer-Length", "1"],
    ["Upload-Concat", "partial"],
    ["Upload-Concat", "final;/files/a"],
  ])("returns 400, which is final for clients, for %s: %s", async (header, value) => {
    const answer = await post({ [header]: value });
    expect([answer.status, (await problemOf(answer)).code]).toEqual([400, "tus_extension_unsupported"]);
    expect(harness.stream.requests()).toEqual([]);
  });

  it('"…the Server MUST return … Upload-Offset": ignores a body and has the client start with the first byte', async () => {
    const answer = await post({ "Content-Type": "application/offset+octet-stream" }, { body: "hello" });
    expect([answer.status, answer.headers.get("upload-offset")]).toEqual([201, "0"]);
  });
});

describe("elsewhere", () => {
  it.each(["HEAD", "PATCH", "DELETE", "PUT"])("returns 405 with Allow for %s", async (method) => {
    const head = await sendHead(harness.url, `${method} /v1/acme/uploads`, ["Tus-Resumable: 1.0.0"]);
    expect(head).toMatch(/^HTTP\/1.1 405 /);
    expect(head).toMatch(/^allow: GET, OPTIONS, POST\r$/im);
  });
});
