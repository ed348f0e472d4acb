import Cloudflare from "cloudflare";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, problemOf } from "../support/http.ts";
import { readyVideo } from "../support/ready-video.ts";
import { formOf } from "../support/route-table.ts";

/** Captions, downloads and watermarks: calls that are handed on to Stream. */

const CAPTIONS = "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n";
const WATERMARK = "ea95132c15732412d22c1476fa83f27a";
const OTHER_WATERMARK = "f".repeat(32);

let harness: TestGateway;
let tenant: string;
let key: string;
let uid: string;

beforeAll(async () => {
  harness = await startTestGateway({}, { watermarks: [WATERMARK, OTHER_WATERMARK] });
});
afterAll(() => harness.stop());

let tenants = 0;

beforeEach(async () => {
  tenant = `tenant-${++tenants}`;
  key = await harness.tenant(tenant, {
    policy: { playback: { downloadable: true }, metadata: { watermark: { oneOf: [WATERMARK] } } },
  });
  uid = await readyVideo(harness, tenant, key);
  harness.stream.clearRequests();
});

const sdk = () => new Cloudflare({ apiToken: key, baseURL: `${harness.url}/client/v4`, maxRetries: 0 }).stream;
const send = (method: string, path: string, init: RequestInit = {}, credential = key) =>
  fetch(`${harness.url}/v1/${tenant}${path}`, { method, ...init, headers: { ...bearer(credential), ...init.headers } });
const calls = () => harness.stream.requests().map(({ method, url }) => `${method} ${url.split("/stream")[1]}`);

describe("captions", () => {
  it("are added, listed, read and deleted", async () => {
    const put = await send("PUT", `/uploads/${uid}/captions/en`, { body: formOf(CAPTIONS) });
    expect([put.status, await put.json()]).toMatchObject([200, { language: "en", label: "English" }]);
    const list = await send("GET", `/uploads/${uid}/captions`);
    expect(await list.json()).toMatchObject({ captions: [{ language: "en" }] });
    const text = await send("GET", `/uploads/${uid}/captions/en/vtt`);
    expect([text.headers.get("content-type"), await text.text()]).toEqual(["text/vtt; charset=utf-8", CAPTIONS]);
    expect((await send("DELETE", `/uploads/${uid}/captions/en`)).status).toBe(204);
    const missing = await send("GET", `/uploads/${uid}/captions/en`);
    expect(await problemOf(missing)).toMatchObject({ status: 404, code: "not_found" });
  });

  it("cost one call each", async () => {
    await send("GET", `/uploads/${uid}/captions`);
    expect(calls()).toEqual([`GET /${uid}/captions`]);
  });

  it.each(["e", "en/../../x", "en?x=1", "en_US", "a".repeat(36), "%2e%2e"])(
    "refuse the language %s",
    async (language) => {
      const answer = await send("GET", `/uploads/${uid}/captions/${encodeURIComponent(language)}`);
      expect(await problemOf(answer)).toMatchObject({ status: 400, code: "bad_request" });
      expect(calls()).toEqual([]);
    },
  );

  it("need the feature", async () => {
    await harness.tenant(tenant, { policy: { features: ["playback"] } });
    const answer = await send("PUT", `/uploads/${uid}/captions/en`, { body: formOf(CAPTIONS) });
    expect(await problemOf(answer)).toMatchObject({ status: 403, code: "feature_not_allowed" });
    expect(calls()).toEqual([]);
  });

  it("refuse what is not WebVTT before Stream is asked", async () => {
    const answer = await send("PUT", `/uploads/${uid}/captions/en`, { body: formOf("hello") });
    expect(await problemOf(answer)).toMatchObject({ status: 400, code: "body_invalid", key: "file" });
    expect(calls()).toEqual([]);
  });

  it("of an upload that was deleted are gone", async () => {
    await send("DELETE", `/uploads/${uid}`);
    harness.stream.clearRequests();
    expect((await send("GET", `/uploads/${uid}/captions`)).status).toBe(404);
    expect(calls()).toEqual([]);
  });
});

describe("downloads", () => {
  it("are made, read and deleted", async () => {
    const { default: made } = await sdk().downloads.create(uid, { account_id: tenant });
    expect(made?.status).toMatch(/^(?:inprogress|ready)$/);
    await expect
      .poll(async () => (await sdk().downloads.get(uid, { account_id: tenant })).default)
      .toMatchObject({ status: "ready", percentComplete: 100, url: expect.stringContaining(uid) });
    expect((await send("DELETE", `/uploads/${uid}/downloads`)).status).toBe(204);
    expect(await (await send("GET", `/uploads/${uid}/downloads`)).json()).toEqual({});
  });

  it("need playback.downloadable, but for their deletion", async () => {
    await sdk().downloads.create(uid, { account_id: tenant });
    await harness.tenant(tenant, { policy: {} });
    harness.stream.clearRequests();
    for (const method of ["GET", "POST"])
      expect(await problemOf(await send(method, `/uploads/${uid}/downloads`))).toMatchObject({
        status: 403,
        code: "feature_not_allowed",
        key: "playback.downloadable",
      });
    expect(calls()).toEqual([]);
    expect((await send("DELETE", `/uploads/${uid}/downloads`)).status).toBe(204);
  });
});

describe("an answer that is not Stream's", () => {
  const JUNK = ["", "<html>", "{}", "x".repeat(11_000_000)];

  it.each(["captions", "captions/en", "captions/en/vtt", "downloads"])("is none about %s", async (path) => {
    for (const body of JUNK) {
      harness.stream.addFault({ on: "api", kind: "status", status: 200, body });
      expect(await problemOf(await send("GET", `/uploads/${uid}/${path}`))).toMatchObject({
        status: 502,
        code: "stream_bad_answer",
      });
    }
  });
});

describe("watermarks", () => {
  it("are those that the policy names, without the link that they came from", async () => {
    const listed = [];
    for await (const profile of sdk().watermarks.list({ account_id: tenant })) listed.push(profile);
    expect(listed).toMatchObject([{ uid: WATERMARK }]);
    expect(JSON.stringify(listed)).not.toContain("downloadedFrom");
    expect(await sdk().watermarks.get(WATERMARK, { account_id: tenant })).toMatchObject({ uid: WATERMARK });
    await expect(sdk().watermarks.get(OTHER_WATERMARK, { account_id: tenant })).rejects.toMatchObject({ status: 404 });
  });

  it("are shown with a video without the link that they came from", async () => {
    const link = await sdk().directUpload.create({
      account_id: tenant,
      maxDurationSeconds: 60,
      watermark: { uid: WATERMARK },
    });
    const path = `/client/v4/accounts/${tenant}/stream/${link.uid ?? ""}`;
    const answers = [["GET"], ["POST", "{}"], ["POST", '{"requireSignedURLs":true}']] as const;
    for (const [method, body] of answers) {
      const answer = await fetch(`${harness.url}${path}`, { method, headers: bearer(key), ...(body && { body }) });
      const text = await answer.text();
      expect([answer.status, JSON.parse(text)]).toMatchObject([200, { result: { watermark: { uid: WATERMARK } } }]);
      expect(text).not.toContain("downloadedFrom");
    }
    const listed = await fetch(`${harness.url}/client/v4/accounts/${tenant}/stream`, { headers: bearer(key) });
    expect(await listed.text()).not.toContain("downloadedFrom");
  });

  it("are none without a call if the policy names none", async () => {
    await harness.tenant(tenant, { policy: {} });
    const answer = await fetch(`${harness.url}/client/v4/accounts/${tenant}/stream/watermarks`, {
      headers: bearer(key),
    });
    expect(await answer.json()).toMatchObject({ success: true, result: [] });
    expect(calls()).toEqual([]);
  });
});

describe("a credential that was revoked, or a tenant that was suspended", () => {
  it("is refused at once, by the ledger", async () => {
    await harness.operator("PUT", `/tenants/${tenant}`, { policy: {}, suspended: true });
    const answer = await send("GET", `/uploads/${uid}/captions`);
    expect(await problemOf(answer)).toMatchObject({ status: 403, code: "tenant_suspended" });
    expect(calls()).toEqual([]);
  });
});
