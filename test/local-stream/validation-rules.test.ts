import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Metadata, createStreamClient, encodeMetadata } from "../../src/local-stream/client.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { rawRequest } from "../support/http.ts";

/** All other tests rely on the local Stream, so its refusals are tested here. */

let stream: LocalStream;
let client: ReturnType<typeof createStreamClient>;

beforeAll(async () => {
  stream = await startLocalStream({ watermarks: ["w1"] });
  client = createStreamClient(stream);
});
afterAll(() => stream.close());
beforeEach(() => stream.reset());

const DAY_S = 24 * 3_600;
const ahead = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString();
const withMetadata = (metadata: Metadata) => client.create({ "Upload-Metadata": encodeMetadata(metadata) });

interface Envelope {
  readonly errors: { code: number }[];
  readonly messages: { code: number; message: string }[];
}

/** The text of a refusal in Cloudflare's envelope; also checks that no video was created. */
async function refusalOf(answer: Response): Promise<string> {
  const body = (await answer.json()) as Envelope;
  expect([answer.status, body]).toMatchObject([400, { result: null, success: false, errors: [{ code: 10005 }] }]);
  expect(body.messages).toMatchObject([{ code: 10005 }]);
  expect(stream.videos()).toEqual([]);
  return body.messages[0]?.message ?? "";
}

describe("tus creation", () => {
  it("answers as documented: 201, an empty body, two different ids", async () => {
    const answer = await client.create();
    expect([answer.status, await answer.text()]).toEqual([201, ""]);
    const uid = answer.headers.get("stream-media-id") ?? "";
    expect(uid).toMatch(/^[0-9a-f]{32}$/);
    const location = new URL(answer.headers.get("location") ?? "");
    expect([location.host, location.search]).toEqual([stream.uploadHost, "?tusv2=true"]);
    expect(location.pathname).toMatch(/^\/tus\/[0-9a-f]{32}$/);
    expect(location.pathname).not.toContain(uid);
    expect(answer.headers.get("tus-resumable")).toBe("1.0.0");
  });

  it("accepts the token and the global key, and no other credential", async () => {
    const withKey = { Authorization: undefined, "X-Auth-Email": stream.email, "X-Auth-Key": stream.globalKey };
    expect((await client.create(withKey)).status).toBe(201);
    for (const wrong of [
      { Authorization: "Bearer wrong" },
      { Authorization: stream.token },
      { Authorization: undefined },
      { ...withKey, "X-Auth-Email": "other@example.com" },
      { ...withKey, "X-Auth-Key": undefined },
    ]) {
      const answer = await client.create(wrong);
      expect([answer.status, await answer.json()]).toMatchObject([401, { errors: [{ code: 10000 }] }]);
    }
  });

  it.each<[string, Record<string, string | undefined>, RegExp]>([
    ["no version", { "Tus-Resumable": undefined }, /Tus-Resumable/],
    ["another version", { "Tus-Resumable": "0.2.2" }, /Tus-Resumable/],
    ["no length", { "Upload-Length": undefined }, /Upload-Length/],
    ["a negative length", { "Upload-Length": "-1" }, /Upload-Length/],
    ["a length with a leading zero", { "Upload-Length": "0100" }, /Upload-Length/],
    ["a fraction of a byte", { "Upload-Length": "1.5" }, /Upload-Length/],
    ["a length in another notation", { "Upload-Length": "1e3" }, /Upload-Length/],
    ["a file that is too large", { "Upload-Length": "30000000001" }, /maximum/],
    ["a length to come later", { "Upload-Defer-Length": "1" }, /Upload-Defer-Length/],
    ["a part of an upload", { "Upload-Concat": "partial" }, /Upload-Concat/],
    ["a creator that is too long", { "Upload-Creator": "c".repeat(65) }, /Upload-Creator/],
    ["empty metadata", { "Upload-Metadata": "" }, /empty/],
    ["an empty pair", { "Upload-Metadata": "name YQ==,," }, /empty/],
    ["a missing key", { "Upload-Metadata": "name YQ==, " }, /empty/],
    ["two spaces", { "Upload-Metadata": "name  YQ==" }, /more than one value/],
    ["two values", { "Upload-Metadata": "name YQ== YQ==" }, /more than one value/],
    ["a value that is not base64", { "Upload-Metadata": "name a" }, /not base64/],
    ["base64 without padding", { "Upload-Metadata": "name YQ" }, /not base64/],
    ["base64 for URLs", { "Upload-Metadata": "name _-__" }, /not base64/],
    ["non-canonical base64", { "Upload-Metadata": "name YR==" }, /not base64/],
    ["a value that is not UTF-8", { "Upload-Metadata": "name //4=" }, /not UTF-8/],
    ["a repeated key", { "Upload-Metadata": "name YQ==,NAME YQ==" }, /more than once/],
  ])("refuses %s with 400 and the reason in messages", async (_, headers, text) => {
    expect(await refusalOf(await client.create(headers))).toMatch(text);
  });

  it.each<[string, Metadata, RegExp]>([
    ["maxdurationseconds of 0", { maxdurationseconds: "0" }, /maxDurationSeconds/],
    ["maxdurationseconds over ten hours", { maxDurationSeconds: "36001" }, /maxDurationSeconds/],
    ["maxdurationseconds with a fraction", { maxdurationseconds: "1.5" }, /maxDurationSeconds/],
    ["a bare maxdurationseconds", { maxdurationseconds: null }, /maxDurationSeconds/],
    ["an expiry too near", { expiry: ahead(60) }, /expiry must be between/],
    ["an expiry too far", { expiry: ahead(7 * 3_600) }, /expiry must be between/],
    ["an expiry that is none", { expiry: "soon" }, /RFC 3339/],
    ["an expiry without a zone", { expiry: ahead(600).slice(0, -1) }, /RFC 3339/],
    ["an expiry on a day that does not exist", { expiry: "2030-02-30T00:00:00Z" }, /RFC 3339/],
    ["an origin with a scheme", { allowedorigins: "https://a.example" }, /must not specify protocol/],
    ["an origin with a path", { allowedorigins: "a.example/x" }, /not a host/],
    ["an origin after a space", { allowedorigins: "a.example, b.example" }, /not a host/],
    ["an empty origin", { allowedorigins: "a.example,,b.example" }, /not a host/],
    ["a star inside an origin", { allowedorigins: "a.*.example" }, /not a host/],
    ["localhost without a port", { allowedorigins: "localhost" }, /port/],
    ["a percentage over 1", { thumbnailtimestamppct: "1.5" }, /thumbnailTimestampPct/],
    ["a negative percentage", { thumbnailtimestamppct: "-0.1" }, /thumbnailTimestampPct/],
    ["an unknown watermark", { watermark: "w2" }, /does not exist/],
    ["a watermark that is too long", { watermark: "w".repeat(33) }, /32 characters/],
    ["a deletion too near", { scheduleddeletion: ahead(29 * DAY_S) }, /scheduledDeletion/],
    ["a deletion too far", { scheduleddeletion: ahead(1_097 * DAY_S) }, /scheduledDeletion/],
  ])("refuses %s with 400 and the reason in messages", async (_, metadata, text) => {
    expect(await refusalOf(await withMetadata(metadata))).toMatch(text);
  });

  it("refuses a repeated header, a body, and a creation without direct_user", async () => {
    const url = `${client.base}?direct_user=true`;
    const headers = ["Authorization", `Bearer ${stream.token}`, "Tus-Resumable", "1.0.0", "Upload-Length", "1"];
    const twice = await rawRequest("POST", url, [...headers, "Upload-Creator", "a", "Upload-Creator", "b"]);
    expect([twice.status, twice.body]).toEqual([
      400,
      expect.stringContaining("upload-creator was sent more than once"),
    ]);
    const body = await rawRequest("POST", url, [...headers, "Content-Length", "1"], Buffer.from("x"));
    expect([body.status, body.body]).toEqual([400, expect.stringContaining("no body")]);
    expect(await refusalOf(await client.create({}, ""))).toMatch(/direct_user/);
  });

  it("refuses another account id", async () => {
    const at = (account: string) =>
      fetch(`${stream.apiBase}/accounts/${account}/stream?direct_user=true`, {
        method: "POST",
        headers: client.authorization,
      });
    expect((await at("another")).status).toBe(404);
    expect(await refusalOf(await at("a".repeat(33)))).toMatch(/account_id/);
  });

  it("accepts every value at its bound, and stores it", async () => {
    const [expiry, scheduleddeletion] = [ahead(6 * 3_600), ahead(30 * DAY_S)];
    const metadata = encodeMetadata({
      NAME: "Zoë\u0000, 猫",
      maxDurationSeconds: "36000",
      expiry,
      allowedorigins: "a.example,*.b.example,localhost:3000",
      requireSignedURLs: "false",
      thumbnailtimestamppct: "1",
      watermark: "w1",
      scheduleddeletion,
      relativePath: "null",
      bare: null,
    })?.replaceAll(",", ", ");
    const headers = { "Upload-Length": "30000000000", "Upload-Creator": "c".repeat(64), "Upload-Metadata": metadata };
    expect((await client.create(headers)).status).toBe(201);
    expect(stream.videos()).toMatchObject([
      {
        creator: "c".repeat(64),
        meta: { name: "Zoë\u0000, 猫", relativePath: "null", bare: "" },
        maxDurationSeconds: 36_000,
        uploadExpiry: expiry,
        allowedOrigins: ["a.example", "*.b.example", "localhost:3000"],
        // Presence means true, whatever the value.
        requireSignedURLs: true,
        thumbnailTimestampPct: 1,
        watermark: { uid: "w1" },
        scheduledDeletion: scheduleddeletion,
        size: 30_000_000_000,
        duration: -1,
        status: { state: "pendingupload" },
      },
    ]);
  });

  it("uses Stream's defaults without metadata", async () => {
    await client.createUpload(0);
    const [video] = stream.videos();
    expect(video).toMatchObject({
      meta: {},
      creator: null,
      requireSignedURLs: false,
      allowedOrigins: [],
      thumbnailTimestampPct: 0,
      maxDurationSeconds: null,
      watermark: null,
      scheduledDeletion: null,
    });
    const lifetime = Date.parse(video?.uploadExpiry ?? "") - Date.parse(video?.created ?? "");
    expect(Math.abs(lifetime - 30 * 60_000)).toBeLessThan(1_000);
  });

  it("stores keys such as `__proto__`", async () => {
    await client.createUpload(1, { ["__proto__"]: "p", constructor: "c" });
    const { result } = await client.api<{ meta: object }[]>("GET", "");
    expect(Object.entries(result[0]?.meta ?? {})).toEqual([
      ["__proto__", "p"],
      ["constructor", "c"],
    ]);
  });
});

describe("POST /stream/direct_upload", () => {
  const link = { maxDurationSeconds: 60 };

  it.each<[string, unknown, RegExp]>([
    ["no JSON", "{", /not JSON/],
    ["no object", "null", /must be an object/],
    ["no maxDurationSeconds", {}, /maxDurationSeconds is required/],
    ["maxDurationSeconds as text", { maxDurationSeconds: "60" }, /maxDurationSeconds/],
    ["a creator that is no text", { ...link, creator: 1 }, /creator/],
    ["a creator that is too long", { ...link, creator: "c".repeat(65) }, /creator/],
    ["meta that is no object", { ...link, meta: "name" }, /meta must be an object/],
    ["origins in one text", { ...link, allowedOrigins: "a.example" }, /must be a list/],
    ["an origin with a scheme", { ...link, allowedOrigins: ["https://a.example"] }, /protocol/],
    ["an origin that is no text", { ...link, allowedOrigins: [1] }, /must be text/],
    ["requireSignedURLs as text", { ...link, requireSignedURLs: "false" }, /requireSignedURLs/],
    ["a percentage as text", { ...link, thumbnailTimestampPct: "0.5" }, /thumbnailTimestampPct/],
    ["a watermark without a uid", { ...link, watermark: {} }, /watermark/],
    ["an expiry too near", { ...link, expiry: ahead(10) }, /expiry/],
    ["a deletion too near", { ...link, scheduledDeletion: ahead(DAY_S) }, /scheduledDeletion/],
  ])("refuses %s with 400 and the reason in messages", async (_, body, text) => {
    const answer = await client.api("POST", "/direct_upload", body);
    expect([answer.status, answer.messages[0]?.message]).toEqual([400, expect.stringMatching(text)]);
    expect(stream.videos()).toEqual([]);
  });

  it("creates a link with all options, kept apart from meta", async () => {
    const body = { ...link, creator: "u1", meta: { name: "small", expiry: "never" }, requireSignedURLs: true };
    const { result } = await client.api("POST", "/direct_upload", body);
    expect(result).toMatchObject({ uid: expect.stringMatching(/^[0-9a-f]{32}$/) as string, watermark: null });
    expect(stream.videos()).toMatchObject([{ ...body, uid: result["uid"] }]);
  });
});

describe("POST /stream/:uid", () => {
  it.each<[string, unknown, RegExp]>([
    ["no object", "[]", /must be an object/],
    ["another uid", { uid: "x" }, /uid/],
    ["a field that it does not have", { name: "x" }, /no name/],
    ["a field of a creation", { expiry: ahead(600) }, /no expiry/],
    ["maxDurationSeconds of 0", { maxDurationSeconds: 0 }, /maxDurationSeconds/],
    ["an expiry that is none", { uploadExpiry: "soon" }, /uploadExpiry/],
    ["meta that is no object", { meta: [] }, /meta/],
    ["null for meta", { meta: null }, /meta/],
    ["null for requireSignedURLs", { requireSignedURLs: null }, /requireSignedURLs/],
    ["null for origins", { allowedOrigins: null }, /allowedOrigins/],
    ["null for the thumbnail", { thumbnailTimestampPct: null }, /thumbnailTimestampPct/],
    ["public details of another name", { publicDetails: { name: "x" } }, /publicDetails/],
    ["public details of another type", { publicDetails: { title: 7 } }, /publicDetails/],
  ])("refuses %s and changes nothing", async (_, body, text) => {
    const { uid } = await client.createUpload(1, { name: "before" });
    const before = stream.videos();
    const answer = await client.api("POST", `/${uid}`, body);
    expect([answer.status, answer.messages[0]?.message]).toEqual([400, expect.stringMatching(text)]);
    expect(stream.videos()).toEqual(before);
  });

  it("counts a deletion from the creation of the video, and takes none that has passed", async () => {
    const { uid } = await client.createUpload(1);
    const [created, days] = [Date.now() / 1000, (n: number) => n * DAY_S];
    const at = (seconds: number) => new Date((created + seconds) * 1000).toISOString();
    stream.advance(days(100) * 1000);
    const edit = async (seconds: number) =>
      (await client.api("POST", `/${uid}`, { scheduledDeletion: at(seconds) })).status;
    expect([await edit(days(99)), await edit(days(101)), await edit(days(1_096))]).toEqual([400, 200, 200]);
    expect([await edit(days(1_097)), await edit(days(29))]).toEqual([400, 400]);
  });

  it("replaces the whole of meta and of the public details", async () => {
    const { uid } = await client.createUpload(1, { name: "before", more: "x" });
    await client.api("POST", `/${uid}`, { publicDetails: { title: "before", logo: null } });
    const edit = { meta: { other: 1 }, publicDetails: { share_link: "https://a.example/" } };
    const { meta, publicDetails } = (await client.api("POST", `/${uid}`, edit)).result;
    expect({ meta, publicDetails }).toEqual(edit);
  });

  it("changes the named fields, and before the upload also duration and expiry", async () => {
    const { uid } = await client.createUpload(1, { name: "before", requiresignedurls: null });
    const [uploadExpiry, scheduledDeletion] = [ahead(3_600), ahead(40 * DAY_S)];
    const edit = { meta: { name: "after" }, maxDurationSeconds: 30, uploadExpiry, scheduledDeletion };
    expect((await client.api("POST", `/${uid}`, edit)).result).toMatchObject({ ...edit, requireSignedURLs: true });
    const undone = await client.api("POST", `/${uid}`, { scheduledDeletion: null, requireSignedURLs: false });
    expect(undone.result).toMatchObject({ scheduledDeletion: null, requireSignedURLs: false, maxDurationSeconds: 30 });
  });
});
