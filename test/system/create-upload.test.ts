import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type TestGateway, sentToStream, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf, rawRequest, sendHead } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";
import { signTag } from "../support/sign-tag.ts";

let harness: TestGateway;
let key: string;

beforeAll(async () => {
  harness = await startTestGateway();
  key = await harness.tenant("acme", {
    policy: {
      upload: { maxBytes: 10_000 },
      metadata: {
        name: { default: "Untitled" },
        maxdurationseconds: { default: 600, max: 3_600, onViolation: "clamp" },
        requiresignedurls: { force: true },
        allowedorigins: { default: ["app.acme.com"], within: ["*.acme.com"] },
      },
      custom: { "*": { allow: ["project"] } },
    },
  });
});
afterAll(() => harness.stop());
beforeEach(() => harness.stream.reset());

const post = (headers: Record<string, string | undefined> = {}, init: RequestInit = {}) =>
  create(harness.url, "acme", { ...bearer(key), ...headers }, init);

describe("POST /v1/:tenant/uploads, accepted", () => {
  it("returns 201 with the headers that a client needs and no body", async () => {
    const answer = await post({ "X-Request-ID": "my-request" });
    expect(answer.status).toBe(201);
    expect(await answer.text()).toBe("");
    const [video] = harness.stream.videos();
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "tus-resumable": "1.0.0",
      "stream-media-id": video?.uid,
      "cache-control": "no-store",
      "x-request-id": "my-request",
      vary: "Origin",
    });
    expect(answer.headers.get("location")).toMatch(`http://${harness.stream.uploadHost}/tus/`);
    expect(answer.headers.get("sluice-upload-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.headers.get("server-timing")).toMatch(/^authenticate;dur=\d+, admit;dur=\d+, stream;dur=\d+/);
    expect(new Date(answer.headers.get("upload-expires") ?? "").toISOString()).toBe(video?.uploadExpiry);
    expect(answer.headers.has("upload-offset")).toBe(false);
  });

  it("sends Stream exactly the headers built from the decision", async () => {
    const answer = await post({
      "Upload-Metadata":
        "maxDurationSeconds OTk5OTk= , requireSignedURLs ZmFsc2U=, filename Y2F0cy5tcDQ=,relativePath bnVsbA==,project cDE=",
      "Upload-Creator": "user-7",
      "X-Forwarded-For": "10.0.0.1",
      Cookie: "session=1",
      "X-Evil": "1",
    });
    const sluice = signTag(harness.stream, "acme", answer.headers.get("sluice-upload-id") ?? "");
    const sent = sentToStream(harness.stream);
    const [video] = harness.stream.videos();
    const expiry = video?.uploadExpiry?.replace(".000Z", "Z") ?? "";
    expect(sent).toEqual({
      host: harness.stream.uploadHost,
      "content-length": "0",
      // The runtime adds it to every request of a Worker.
      "cf-worker": expect.any(String),
      authorization: `Bearer ${harness.stream.token}`,
      "tus-resumable": "1.0.0",
      "upload-length": "1000",
      "upload-creator": "user-7",
      "upload-metadata": [
        metadataHeader({
          name: "cats.mp4",
          maxdurationseconds: "3600",
          requiresignedurls: null,
          allowedorigins: "app.acme.com",
        }),
        metadataHeader({ expiry, project: "p1", sluice }),
      ].join(","),
    });
    expect(harness.stream.creations().at(-1)?.url).toMatch(/\/stream\?direct_user=true$/);
    expect(video).toMatchObject({
      creator: "user-7",
      maxDurationSeconds: 3_600,
      requireSignedURLs: true,
      allowedOrigins: ["app.acme.com"],
      meta: { name: "cats.mp4", project: "p1", sluice },
    });
  });

  it("accepts an Upload-Length of 0", async () => {
    expect((await post({ "Upload-Length": "0" })).status).toBe(201);
  });

  it("does not forward a body and returns Upload-Offset: 0", async () => {
    const answer = await post({ "Content-Type": "application/offset+octet-stream" }, { body: new Uint8Array(1_000) });
    expect(answer.status).toBe(201);
    expect(answer.headers.get("upload-offset")).toBe("0");
    expect(sentToStream(harness.stream)["content-length"]).toBe("0");
  });

  it("accepts a large body without reading it", async () => {
    for (let attempt = 0; attempt < 5; attempt++)
      expect((await post({}, { body: new Uint8Array(5_000_000) })).headers.get("upload-offset")).toBe("0");
  });

  it("generates a request id when the client's is invalid", async () => {
    const answer = await post({ "X-Request-ID": "<script>" });
    expect(answer.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("makes one call to Stream", async () => {
    await post();
    expect(harness.stream.requests()).toHaveLength(1);
  });

  it("creates the same upload on Cloudflare's own path", async () => {
    const answer = await fetch(`${harness.url}/client/v4/accounts/acme/stream?direct_user=true`, {
      method: "POST",
      headers: { ...bearer(key), "Tus-Resumable": "1.0.0", "Upload-Length": "5" },
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.get("stream-media-id")).toBe(harness.stream.videos()[0]?.uid);
  });
});

describe("POST /v1/:tenant/uploads, refused", () => {
  it("returns a problem document that is also a Cloudflare envelope", async () => {
    const answer = await post({ "Upload-Metadata": metadataHeader({ allowedorigins: "evil.example" }) });
    expect(answer.status).toBe(403);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    const detail = 'allowedorigins must be within *.acme.com (requested: "evil.example").';
    expect(await answer.json()).toEqual({
      type: "about:blank",
      title: "Policy violation",
      status: 403,
      code: "policy_violation",
      key: "allowedorigins",
      detail,
      requestId: answer.headers.get("x-request-id"),
      success: false,
      errors: [{ code: 10005, message: detail }],
      messages: [],
      result: null,
    });
  });

  it.each<[string, Record<string, string | undefined>, number, string]>([
    ["without Tus-Resumable", { "Tus-Resumable": undefined }, 412, "tus_version_unsupported"],
    ["of another version", { "Tus-Resumable": "0.2.2" }, 412, "tus_version_unsupported"],
    ["of the IETF draft", { "Upload-Draft-Interop-Version": "6" }, 412, "tus_version_unsupported"],
    ["without Upload-Length", { "Upload-Length": undefined }, 400, "upload_length_required"],
    ["with an invalid length", { "Upload-Length": "0x10" }, 400, "upload_length_invalid"],
    ["with a deferred length", { "Upload-Defer-Length": "1" }, 400, "tus_extension_unsupported"],
    ["of a partial upload", { "Upload-Concat": "partial" }, 400, "tus_extension_unsupported"],
    ["with broken metadata", { "Upload-Metadata": "name !" }, 400, "upload_metadata_invalid"],
    ["with a key twice", { "Upload-Metadata": "name YQ==,Name YQ==" }, 400, "upload_metadata_invalid"],
    ["with too much metadata", { "Upload-Metadata": `name ${"A".repeat(16_384)}` }, 400, "upload_metadata_too_large"],
    ["with an invalid duration", { "Upload-Metadata": "maxdurationseconds YQ==" }, 400, "metadata_value_invalid"],
    ["that is too large", { "Upload-Length": "10001" }, 413, "upload_too_large"],
    ["that is larger than any video", { "Upload-Length": "9".repeat(400) }, 413, "upload_too_large"],
    ["with a creator that is too long", { "Upload-Creator": "c".repeat(65) }, 400, "creator_invalid"],
  ])("refuses a creation %s, before any call to Stream", async (_, headers, status, code) => {
    const answer = await post({ Origin: "https://app.acme.com", ...headers });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("access-control-allow-origin")).toBe("https://app.acme.com");
    expect(answer.headers.get("tus-resumable")).toBe("1.0.0");
    expect(answer.headers.get("tus-version")).toBe(status === 412 ? "1.0.0" : null);
    expect((await problemOf(answer)).code).toBe(code);
    expect(harness.stream.requests()).toEqual([]);
  });

  it("refuses repeated headers", async () => {
    const send = (headers: string[]) =>
      rawRequest("POST", `${harness.url}/v1/acme/uploads`, ["Authorization", `Bearer ${key}`, ...headers]);
    const twice = await send(["Tus-Resumable", "1.0.0", "Upload-Length", "5", "Upload-Length", "5"]);
    expect([twice.status, JSON.parse(twice.body).code]).toEqual([400, "upload_length_invalid"]);
    const versions = await send(["Tus-Resumable", "1.0.0", "Tus-Resumable", "1.0.0", "Upload-Length", "5"]);
    expect(versions.status).toBe(412);
    const smuggled = await send([
      "Tus-Resumable",
      "1.0.0",
      "Upload-Length",
      "5",
      "Upload-Metadata",
      "name YQ==",
      "Upload-Metadata",
      "name Yg==",
    ]);
    expect(JSON.parse(smuggled.body).code).toBe("upload_metadata_invalid");
    expect(harness.stream.requests()).toEqual([]);
  });

  it("refuses text that would add a header upstream", async () => {
    const evil = metadataHeader({ name: "a\r\nX-Evil: 1" });
    expect((await post({ "Upload-Metadata": evil })).status).toBe(201);
    const sent = sentToStream(harness.stream);
    expect(sent["x-evil"]).toBeUndefined();
    expect(harness.stream.videos()[0]?.meta["name"]).toBe("aX-Evil: 1");
  });

  it("logs the policy's decision without values and without custom keys", async () => {
    const metadata = metadataHeader({ maxdurationseconds: "99999", "slu_a-key-in-the-wrong-place": "x" });
    const answer = await create(harness.url, "acme", { ...bearer(key), "Upload-Metadata": metadata });
    const id = answer.headers.get("x-request-id") ?? "";
    await expect.poll(() => harness.log.find((line) => line.includes(id))).toContain('"maxdurationseconds":"clamped"');
    expect(harness.log.join("\n")).not.toContain("wrong-place");
  });

  it("keeps tokens, keys and upload URLs out of the log", async () => {
    const answer = await post({ "Upload-Metadata": metadataHeader({ project: "p" }) });
    await post({ Authorization: "Bearer slu_not-a-key" });
    const location = answer.headers.get("location") ?? "";
    const log = harness.log.join("\n");
    expect(log).toContain(answer.headers.get("stream-media-id"));
    for (const secret of [key, key.slice(-49), harness.stream.token, location, "slu_not-a-key"])
      expect(log).not.toContain(secret);
  });
});

describe("tus endpoint", () => {
  it("returns its capabilities without a credential, for unknown tenants too", async () => {
    for (const [tenant, maxSize] of [
      ["acme", "10000"],
      ["nobody", "30000000000"],
    ]) {
      const answer = await fetch(`${harness.url}/v1/${tenant}/uploads`, { method: "OPTIONS" });
      expect(answer.status).toBe(200);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        "tus-version": "1.0.0",
        "tus-resumable": "1.0.0",
        "tus-extension": "creation,expiration",
        "tus-max-size": maxSize,
      });
    }
  });

  it.each(["HEAD", "PATCH", "PUT", "DELETE"])("returns 405 for %s without waiting for a body", async (method) => {
    const headers = ["Tus-Resumable: 1.0.0", ...(method === "HEAD" ? [] : ["Content-Length: 5000000"])];
    const answer = await sendHead(harness.url, `${method} /v1/acme/uploads`, headers);
    expect(answer).toMatch(/^HTTP\/1.1 405 /);
    expect(answer).toMatch(/^allow: GET, OPTIONS, POST\r$/im);
  });

  it("applies X-HTTP-Method-Override before routing", async () => {
    const override = (actual: string, method: string) =>
      fetch(`${harness.url}/v1/acme/uploads`, {
        method: actual,
        headers: { ...bearer(key), "Tus-Resumable": "1.0.0", "Upload-Length": "5", "X-HTTP-Method-Override": method },
      });
    expect((await override("POST", "PATCH")).status).toBe(405);
    expect((await override("POST", "HEAD")).status).toBe(405);
    expect((await override("POST", "OPTIONS")).status).toBe(200);
    expect(harness.stream.requests()).toEqual([]);
    expect((await override("PUT", "POST")).status).toBe(201);
    expect((await override("GET", "POST")).status).toBe(201);
    const unknown = await override("POST", "BREW");
    expect([unknown.status, (await problemOf(unknown)).code]).toEqual([400, "bad_request"]);
  });

  it.each([
    "/",
    "/v1",
    "/v1/acme",
    "/v1/acme/nothing",
    "/v2/acme/uploads",
    "/v1//uploads",
    "/%00",
    "/v1/acme/uploads/../../x",
  ])("returns 404 at %s", async (path) => {
    const answer = await fetch(`${harness.url}${path}`, { method: "POST" });
    expect([answer.status, (await problemOf(answer)).code]).toEqual([404, "not_found"]);
  });
});
