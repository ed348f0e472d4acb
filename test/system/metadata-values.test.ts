import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type TestGateway, sentToStream, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";

let harness: TestGateway;
const keys: Record<string, string> = {};

const POLICIES = {
  names: { metadata: { name: { maxLength: 9, pattern: "[\\p{L}.]+" } } },
  clamping: { metadata: { name: { maxLength: 5, onViolation: "clamp" } } },
  custom: { custom: { projectId: { required: true }, "*": { allow: ["is_public", "Note"] } } },
  types: { upload: { fileTypes: ["video/*", ".mkv", ".mxf"] } },
  shells: { origins: ["capacitor://localhost", "http://[::1]:5173", "null", "https://*.acme.com"] },
};

beforeAll(async () => {
  harness = await startTestGateway();
  for (const [tenant, policy] of Object.entries(POLICIES)) keys[tenant] = await harness.tenant(tenant, { policy });
});
afterAll(() => harness.stop());
beforeEach(() => harness.stream.reset());

async function send(tenant: keyof typeof POLICIES, header: string, more: Record<string, string> = {}) {
  const answer = await create(harness.url, tenant, {
    ...bearer(keys[tenant] ?? ""),
    "Upload-Metadata": header,
    ...more,
  });
  const code = answer.ok ? undefined : (await problemOf(answer)).code;
  return { status: answer.status, code, answer, meta: harness.stream.videos().at(-1)?.meta };
}

describe("names", () => {
  it("sends a file name of macOS in NFC, and checks it so", async () => {
    const { status, meta } = await send("names", metadataHeader({ filename: "Cafe\u0301.mov".normalize("NFD") }));
    expect([status, meta?.["name"]]).toEqual([201, "Café.mov"]);
  });

  it("sends no control characters, nor marks that override the direction", async () => {
    const { status, meta } = await send("names", metadataHeader({ name: "\0ab\u202ec\u0085.\n\tmov" }));
    expect([status, meta?.["name"]]).toEqual([201, "abc.mov"]);
  });

  it("clamps between whole letters and emoji", async () => {
    const { meta } = await send("clamping", metadataHeader({ name: "abc👨‍👩‍👧" }));
    expect(meta?.["name"]).toBe("abc");
  });

  it("answers a name of 6,000 combining marks in time", async () => {
    const name = ["\u0345", "\u0301", "\u0323", "\u0327", "\u05b0", "\u0334"].map((mark) => mark.repeat(990)).join("");
    const start = performance.now();
    expect((await send("clamping", metadataHeader({ name }))).status).toBe(201);
    expect(performance.now() - start).toBeLessThan(1_000);
  });
});

describe("keys that are not read", () => {
  it.each([
    ["without padding", "relativePath YQ"],
    ["in base64url", "relativePath _-8="],
    ["as raw text", "type video/mp4,contentType text/plain"],
    ["and are not UTF-8", "relativePath //4="],
    ["before a trailing comma", "relativePath bnVsbA==,"],
    ["between commas", ",,relativePath YQ, ,"],
  ])("may come %s", async (_, header) => {
    expect((await send("clamping", header)).status).toBe(201);
  });

  it("are part of what a repeat must equal", async () => {
    const repeat = { "Idempotency-Key": "k1" };
    const first = await send("clamping", "color YQ", repeat);
    const second = await send("clamping", "color YQ", repeat);
    expect([first.status, second.answer.headers.get("idempotency-replayed")]).toEqual([201, "true"]);
    expect(await send("clamping", "color Yg", repeat)).toMatchObject({ status: 422, code: "idempotency_key_reused" });
  });

  it.each(["name YQ", "expiry !", "requiresignedurls YQ", "filename YQ", "grant YQ"])(
    "does not cover %j",
    async (header) => {
      expect(await send("clamping", header)).toMatchObject({ status: 400, code: "upload_metadata_invalid" });
    },
  );
});

describe("custom keys", () => {
  const values = { PROJECTID: "p1", is_public: null, note: "a\tb\r\nCafe\u0301\0", other: "x" };
  const expected = { projectId: "p1", is_public: "", Note: "a\tb\nCafé" };
  const asCustom = () => ({ ...bearer(keys["custom"] ?? ""), "Content-Type": "application/json" });
  const get = async (path: string) =>
    (await fetch(`${harness.url}${path}`, { headers: asCustom() })).json() as Promise<Record<string, unknown>>;
  const post = (path: string, body: object) =>
    fetch(`${harness.url}/v1/custom/${path}`, { method: "POST", headers: asCustom(), body: JSON.stringify(body) });

  it("reach Stream, the upload's document and lists as the policy spells them, also without a value", async () => {
    const { status, answer, meta } = await send("custom", metadataHeader(values));
    const id = answer.headers.get("sluice-upload-id") ?? "";
    expect([status, meta]).toEqual([201, { ...expected, sluice: expect.stringContaining(id) }]);
    const header = sentToStream(harness.stream)["upload-metadata"];
    expect(header).toMatch(/(^|,)is_public(,|$)/);
    expect(header).toContain("projectId cDE=");
    expect(await get(`/v1/custom/uploads/${id}`)).toMatchObject({ meta: expected });
    const { result } = (await get("/client/v4/accounts/custom/stream")) as { result: { meta: object }[] };
    expect(result[0]?.meta).toEqual(expected);
  });

  it("are the same for a basic link", async () => {
    const { id } = (await (await post("direct-uploads", { meta: { ...values, is_public: "" } })).json()) as {
      id: string;
    };
    expect(harness.stream.videos().at(-1)?.meta).toEqual({ ...expected, sluice: expect.stringContaining(id) });
    expect(await get(`/v1/custom/uploads/${id}`)).toMatchObject({ meta: expected });
  });

  it("are the same in a dry run", async () => {
    const checked = await post("policy/check", { length: 1, metadata: { ...values, is_public: "" } });
    expect(await checked.json()).toMatchObject({ allowed: true, metadata: expected });
  });

  it("satisfy required without a value, and not by absence", async () => {
    expect((await send("custom", "projectid")).status).toBe(201);
    expect(await send("custom", "is_public")).toMatchObject({ status: 403, code: "policy_violation" });
  });

  it("take the tenant's spelling under a grant of another one", async () => {
    const policy = { custom: { PROJECTID: { force: "p2" }, "*": { allow: ["NOTE"] } } };
    const { grant } = (await (await post("grants", { policy })).json()) as { grant: string };
    await create(harness.url, "custom", { "Upload-Metadata": metadataHeader({ grant, note: "n" }) });
    expect(harness.stream.videos().at(-1)?.meta).toMatchObject({ projectId: "p2", Note: "n" });
  });

  it.each([
    { projectId: {}, projectid: {} },
    { projectId: {}, "*": { allow: ["ProjectID"] } },
  ])("in two spellings are refused: %j", async (custom) => {
    const answer = await harness.operator("PUT", "/tenants/twice", { policy: { custom } }).catch(String);
    expect(answer).toContain("is the same key as");
  });
});

describe("file types", () => {
  it.each([
    [{ filename: "a.mkv" }, 201],
    [{ name: "Interview.MXF", filetype: "application/octet-stream" }, 201],
    [{ filename: "a.mkv", filetype: "video/x-matroska" }, 201],
    [{ filename: "a.mkv", filetype: "image/png" }, 403],
    [{ filename: "a.exe" }, 403],
    [{ filetype: "video/../image" }, 403],
    [{ filetype: "video/" }, 403],
  ])("of %j: %d", async (metadata, status) => {
    expect((await send("types", metadataHeader(metadata))).status).toBe(status);
  });
});

describe("origins of app shells and development servers", () => {
  it.each(POLICIES.shells.origins.map((origin) => origin.replace("*", "app")))("allows %s", async (origin) => {
    const { status, answer } = await send("shells", "", { Origin: origin });
    expect([status, answer.headers.get("access-control-allow-origin")]).toEqual([201, origin]);
  });

  it("warns of null, which any site can send", async () => {
    const { warnings } = await harness.operator("PUT", "/tenants/sandboxed", { policy: POLICIES.shells });
    expect(warnings).toMatchObject([{ pointer: "/policy/origins/2", code: "null_origin", found: "null" }]);
  });

  it.each(["https://a:99999", "https://a..b", "https://app.acme.com:443", "file://server", "app.acme.com"])(
    "refuses a policy with the origin %s, which no client sends",
    async (origin) => {
      const answer = await harness.operator("PUT", "/tenants/wrong", { policy: { origins: [origin] } }).catch(String);
      expect(answer).toContain("policy.origins.0: must be an origin as it is sent");
    },
  );

  it.each(["capacitor://localhost:1", "ionic://localhost", "http://[::1]", "https://acme.com"])(
    "refuses %s",
    async (origin) => {
      expect(await send("shells", "", { Origin: origin })).toMatchObject({ status: 403, code: "origin_not_allowed" });
    },
  );
});
